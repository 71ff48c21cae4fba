"""Making the files of a release."""
import json
import subprocess
from pathlib import Path

import pytest
import torch

from mmkd.utils.checkpoints.reading import read_checkpoint
from mmkd.zoo.download import sha256_of

from ...forked import run_forked
from ..conftest import CONVNEST, call, environment

TOOL = 'model_converters/make_release.py'
OTHER = 'convnest-atto_32xb128_in1k'
NAME = CONVNEST.rpartition('/')[2].removesuffix('.py')


@pytest.fixture(autouse=True)
def forked(monkeypatch, tmp_path):
    """Starts publish_student.py without waiting for its imports."""
    def run(command: list[str], **_: object) -> subprocess.CompletedProcess:
        return run_forked(Path(command[1]), *command[2:], cwd=tmp_path, env=environment(), folder=tmp_path)

    monkeypatch.setattr(subprocess, 'run', run)


def test_published_and_listed(tmp_path, capsys):
    weights = {'backbone.norm2.weight': torch.ones(3), 'head.fc.bias': torch.zeros(2)}
    out = tmp_path / 'out'
    out.mkdir()
    (out / f'{NAME}-original.pth').touch()
    for value, left_out in ((1., 'optimizer'), (2., 'message_hub')):
        state = {f'student.{name}': value * tensor for name, tensor in weights.items()}
        torch.save({'meta': dict(epoch=10, seed=0), 'state_dict': state, left_out: {}}, tmp_path / 'epoch_10.pth')
        assert call(TOOL, f'{NAME}=epoch_10.pth', '--out', 'out', cwd=tmp_path) == 0
        (file, ) = set(out.glob('*.pth')) - {out / f'{NAME}-original.pth'}  # the second takes the place of the first
        read = read_checkpoint(file)
        assert set(read) == {'meta', 'state_dict'} and read['state_dict'].keys() == weights.keys()
        assert read['state_dict']['backbone.norm2.weight'].tolist() == [value] * 3
        listed = json.loads((out / 'checkpoints.json').read_text())[NAME]
        assert listed['sha256'] == sha256_of(file) and file.name == f'{NAME}-{listed["sha256"][:8]}.pth'
        assert (listed['file'], listed['bytes'], listed['epoch']) == (file.name, file.stat().st_size, 10)
    assert (out / f'{NAME}-original.pth').is_file()


def test_errors(tmp_path, capsys):
    (tmp_path / 'epoch_10.pth').touch()
    for model, message in ((NAME, 'NAME=CHECKPOINT'), (f'{NAME}=none.pth', 'existing file'),
                           ('convnest-minni=epoch_10.pth', "got 'convnest-minni'"),
                           (f'{NAME}=epoch_10.pth', 'cannot be published: .*truncated')):
        assert call(TOOL, model, '--out', 'out', cwd=tmp_path)
        assert message.partition(': .*')[0] in capsys.readouterr().err


def test_the_list_names_the_files_that_are_there_wherever_a_release_ends(tmp_path, capsys):
    for value in (1., 2., float('nan')):
        torch.save(dict(meta={}, state_dict={'w': torch.full((3, ), value)}), tmp_path / f'{value:g}.pth')
    assert call(TOOL, f'{NAME}=1.pth', '--out', 'out', cwd=tmp_path) == 0
    assert call(TOOL, f'{NAME}=2.pth#raw', f'{OTHER}=nan.pth', '--out', 'out', cwd=tmp_path) == 2
    assert 'cannot be published' in capsys.readouterr().err
    out = tmp_path / 'out'
    listed = json.loads((out / 'checkpoints.json').read_text())
    assert {path.name for path in out.glob('*.pth')} == {entry['file'] for entry in listed.values()}
    assert read_checkpoint(out / listed[NAME]['file'])['state_dict']['w'].tolist() == [2.] * 3
    assert call(TOOL, f'{NAME}=1.pth', f'{NAME}=2.pth', '--out', 'out', cwd=tmp_path) == 2
    assert f'expects each name once, got {NAME} for 1.pth and for 2.pth' in capsys.readouterr().err
    for text in ('{"a": ', '[]'):
        (out / 'checkpoints.json').write_text(text)
        assert call(TOOL, f'{NAME}=1.pth', '--out', 'out', cwd=tmp_path) == 2
        assert 'expects the list of a release in out/checkpoints.json, got' in capsys.readouterr().err
        assert (out / 'checkpoints.json').read_text() == text and (out / listed[NAME]['file']).is_file()
