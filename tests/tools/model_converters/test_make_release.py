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
    for value, left_out in ((1., 'optimizer'), (2., 'message_hub')):
        state = {f'student.{name}': value * tensor for name, tensor in weights.items()}
        torch.save({'meta': dict(epoch=10, seed=0), 'state_dict': state, left_out: {}}, tmp_path / 'epoch_10.pth')
        assert call(TOOL, f'{NAME}=epoch_10.pth', '--out', 'out', cwd=tmp_path) == 0
        (file, ) = out.glob('*.pth')  # the second takes the place of the first
        read = read_checkpoint(file)
        assert set(read) == {'meta', 'state_dict'} and read['state_dict'].keys() == weights.keys()
        assert read['state_dict']['backbone.norm2.weight'].tolist() == [value] * 3
        listed = json.loads((out / 'checkpoints.json').read_text())[NAME]
        assert listed['sha256'] == sha256_of(file) and file.name == f'{NAME}-{listed["sha256"][:8]}.pth'
        assert (listed['file'], listed['bytes'], listed['epoch']) == (file.name, file.stat().st_size, 10)


def test_errors(tmp_path, capsys):
    (tmp_path / 'epoch_10.pth').touch()
    for model, message in ((NAME, 'NAME=CHECKPOINT'), (f'{NAME}=none.pth', 'existing file'),
                           ('convnest-minni=epoch_10.pth', "got 'convnest-minni'"),
                           (f'{NAME}=epoch_10.pth', 'cannot be published: .*truncated')):
        assert call(TOOL, model, '--out', 'out', cwd=tmp_path)
        assert message.partition(': .*')[0] in capsys.readouterr().err
