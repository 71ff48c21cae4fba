"""The files that a run's model starts from."""
from pathlib import Path

import pytest
from mmengine.config import Config

from mmkd.experiments.jobs.initial_weights import check_files, hashes, initial_files
from mmkd.utils import UserError


def plain(checkpoint: str) -> Config:
    return Config(dict(model=dict(type='A', backbone=dict(init_cfg=[
        dict(type='Kaiming', layer='Conv2d'), dict(type='Pretrained', checkpoint=checkpoint)]))))


def recipe(**student) -> Config:
    return Config(dict(model=dict(type='mmkd.Distiller', student=student, teacher=dict(
        type='B', checkpoint='t.pth', init_cfg=dict(type='Pretrained', checkpoint='teacher.pth')))))


def test_of_a_model_and_of_a_student():
    configs = {'a.py': plain('a.pth')}
    assert initial_files(plain('a.pth'), configs.get) == [Path('a.pth')]
    assert initial_files(recipe(config='a.py'), configs.get) == [Path('a.pth')]
    init_cfg = dict(type='mmengine.Pretrained', checkpoint='c.pth')
    assert initial_files(recipe(type='A', init_cfg=init_cfg), configs.get) == [Path('c.pth')]
    dotted = {'model.backbone.init_cfg.1.checkpoint': 'c.pth'}
    for options in (dotted, dict(model=dict(backbone=dict(init_cfg=[init_cfg])))):
        assert initial_files(recipe(config='a.py', options=options), configs.get) == [Path('c.pth')]
    assert initial_files(configs['a.py'], configs.get) == [Path('a.pth')]  # as it was


@pytest.mark.parametrize('name', ['https://example.org/a.pth', 'torchvision://resnet50'])
def test_what_is_downloaded_is_no_file(name):
    assert initial_files(plain(name), {}.get) == []


def test_a_missing_file(tmp_path):
    path = tmp_path / 'a.pth'
    with pytest.raises(UserError, match='distilled-seed0 expects the weights .*a.pth, which does not exist. Train'):
        check_files('distilled-seed0', [path])
    assert hashes([path]) == []
    path.write_bytes(b'1')
    check_files('distilled-seed0', [path])
    first = hashes([path])
    path.write_bytes(b'2')
    assert len(first) == 1 and hashes([path]) != first
