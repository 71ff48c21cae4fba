"""Packages of one stack are well; those of both, of none, and of other versions are not."""
import pytest

from mmkd.doctor import packages
from mmkd.doctor.packages import package_findings, version_lines

ONEDL = {'torch': '2.12.1', 'torchvision': '0.27.1', 'numpy': '2.2.6', 'timm': '1.0.31', 'onedl-mmengine': '0.10.12',
         'onedl-mmcv': '2.3.6', 'onedl-mmpretrain': '1.3.6', 'onedl-mmdetection': '3.5.1',
         'onedl-mmsegmentation': '1.4.2'}
ORIGINAL = {'torch': '2.4.1', 'torchvision': '0.19.1', 'numpy': '1.26.4', 'timm': '1.0.31', 'mmengine': '0.10.7',
            'mmcv-lite': '2.1.0', 'mmpretrain': '1.2.0', 'mmdet': '3.3.0', 'mmsegmentation': '1.2.2'}
REQUIRED = ["onedl-mmcv<3,>=2.3.6; extra == 'onedl'", "torch>=2.4; extra == 'onedl'",
            "torch<2.5,>=2.4; extra == 'openmmlab'", "numpy<2; extra == 'openmmlab'", "ruff; extra == 'dev'"]


@pytest.fixture
def look(monkeypatch):
    """The findings of given distributions that are not ok, by name."""
    def look(there: dict[str, str]) -> dict:
        monkeypatch.setattr(packages, 'installed', there.get)
        monkeypatch.setattr(packages, 'requires', lambda _: REQUIRED)
        return {finding.what: finding for finding in package_findings() if finding.status != 'ok'}
    return look


@pytest.mark.parametrize('there', [ONEDL, ORIGINAL])
def test_one_stack_is_well(look, there):
    assert look(there) == {}


def test_both_stacks_at_once(look):
    wrong = look(ONEDL | {'mmcv': '2.1.0'})
    assert set(wrong) == {'mmcv', 'stacks'} and {finding.status for finding in wrong.values()} == {'error'}
    assert wrong['mmcv'].found == 'onedl-mmcv 2.3.6, mmcv 2.1.0' and 'new environment' in wrong['mmcv'].mend


def test_a_package_of_the_other_stack(look):
    wrong = look({name: number for name, number in ONEDL.items() if name != 'onedl-mmdetection'} | {'mmdet': '3.3.0'})
    assert set(wrong) == {'stacks'} and 'openmmlab: mmdet' in wrong['stacks'].found


def test_nothing_is_installed(look):
    wrong = look({})
    assert set(wrong) == {'torch', 'torchvision', 'numpy', 'timm', *packages.STACK}
    assert {name for name, finding in wrong.items() if finding.status == 'warning'} == {'timm'}
    assert all(finding.mend for finding in wrong.values())


def test_other_versions(look):
    assert set(look(ORIGINAL | {'torch': '2.5.0', 'numpy': '2.0.0'})) == {'torch', 'numpy'}
    wrong = look(ONEDL | {'onedl-mmcv': '2.3.0'})
    assert set(wrong) == {'mmcv'} and wrong['mmcv'].status == 'warning'
    assert "pip install 'onedl-mmcv<3,>=2.3.6'" in wrong['mmcv'].mend


def test_versions_of_what_is_there(monkeypatch):
    monkeypatch.setattr(packages, 'installed', {'torch': '2.12.1', 'mmcv-lite': '2.1.0'}.get)
    assert version_lines()[2:] == ['torch 2.12.1', 'mmcv-lite 2.1.0']
