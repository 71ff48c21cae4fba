"""The config that mmkd.distill writes is an ordinary one: trained by itself it gives the same student."""
from pathlib import Path

import mmkd
import pytest
import torch

from mmkd.utils.checkpoints.reading import read_checkpoint

from ...processes import run_ranks, run_tool
from ...tools.conftest import TOOLS, call, one_thread
from .conftest import QUICK, STUDENT


@pytest.fixture(scope='module')
def trained(pictures, teacher_spec, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp('trained') / 'out'
    with one_thread(), pytest.MonkeyPatch.context() as patch:
        patch.chdir(pictures.parent)
        mmkd.distill(STUDENT, teacher_spec, pictures.name, 'kd', out=out, **QUICK)
    return out


def test_the_same_student_to_the_last_bit(trained, pictures):
    assert call('train.py', trained / 'config.py', cwd=pictures.parent) == 0
    states = [read_checkpoint(trained / folder / 'epoch_2.pth')['state_dict'] for folder in ('run', 'again')]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


def test_nothing_in_it_is_absolute(trained):
    lines = (trained / 'config.py').read_text().splitlines()
    assert [line for line in lines if str(trained) in line and not line.startswith('#')] == []
    assert "data_prefix='shapes'" in '\n'.join(lines)


@pytest.mark.processes
def test_in_two_processes(trained, pictures, tmp_path):
    run_ranks(run_tool, tmp_path, TOOLS / 'train.py', pictures.parent, trained / 'config.py', '--work-dir',
              tmp_path / 'two', '--cfg-options', 'train_cfg.max_epochs=1')
    assert (tmp_path / 'two/epoch_1.pth').is_file()
