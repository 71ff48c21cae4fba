"""The tool that draws loss landscapes."""
import json

import numpy as np
import pytest
import torch
from mmengine.registry import MODELS, init_default_scope
from PIL import Image

from mmkd.analysis.command.models import build_models
from mmkd.distillers.models import load_model_config

from ...processes import run_ranks, run_tool
from ..conftest import TOOLS, call

TOOL = 'analysis_tools/loss_landscape.py'
SLAK, STUDENT = 'quickstart/slak-mini_digits.py=random', 'quickstart/convnest-mini_digits-5shot.py=random'
RECIPE = 'quickstart/convnest-mini_slak-mini-nkd_digits-5shot.py'


def numbers(path) -> dict:
    with Image.open(path / 'loss_landscape.png') as picture:
        assert picture.width > 300 and np.asarray(picture).std() > 5
    return json.loads((path / 'loss_landscape.json').read_text())['numbers']


def test_planes_of_two_models(pictures, tmp_path, capsys):
    options = ['--labels', 'teacher', 'student', '--images', pictures, '--points', '3', '--out', 'out']
    assert call(TOOL, SLAK, STUDENT, *options, cwd=tmp_path) == 0
    printed = capsys.readouterr().out
    assert '9 × ' in printed and 'has 10 classes' in printed
    for each in numbers(tmp_path / 'out').values():
        losses = np.array(each['losses'])
        assert losses.shape == (3, 3) and losses[1, 1] == each['loss'] == each['centre'] and len(set(losses.flat)) == 9
        assert each['seconds'] >= each['seconds_of_evaluations'] > 0


def test_a_line_with_recomputed_statistics(pictures, tmp_path):
    options = ['--images', pictures, '--points', '3', '--line', '--recompute-statistics', '--out', 'out']
    assert call(TOOL, SLAK, *options, cwd=tmp_path) == 0  # SLaK has batch norms
    each, = numbers(tmp_path / 'out').values()
    assert np.shape(each['losses']) == (3, ) and each['centre'] != each['loss']


@pytest.fixture
def distilled(tmp_path):
    """A teacher's file, and a training checkpoint of the quick start's recipe."""
    init_default_scope('mmpretrain')
    teacher = build_models([SLAK])[0].model
    torch.save(dict(state_dict=teacher.state_dict()), tmp_path / 'teacher.pth')
    (tmp_path / 'recipe.py').write_text(f"_base_ = 'mmkd::{RECIPE}'\n"
                                        "model = dict(teacher=dict(checkpoint='teacher.pth'))\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        distiller = MODELS.build(load_model_config('recipe.py').model)
        distiller.init_weights()
    torch.save(dict(state_dict=distiller.state_dict()), tmp_path / 'epoch_1.pth')
    return tmp_path


def test_the_distillation_loss(distilled, pictures, capsys):
    model, options = 'recipe.py=epoch_1.pth', ['--images', pictures, '--points', '3', '--line']
    assert call(TOOL, model, *options, '--loss', 'distillation', '--out', 'out', cwd=distilled) == 0
    assert call(TOOL, model, *options, '--out', 'task', cwd=distilled) == 0
    each, = numbers(distilled / 'out').values()
    task, = numbers(distilled / 'task').values()
    assert each['centre'] == each['loss'] > task['loss'] > 0  # the student's own loss and the term
    assert call(TOOL, 'recipe.py=random', *options, '--loss', 'distillation', '--out', 'no', cwd=distilled) == 2
    assert 'error: ' in capsys.readouterr().err


@pytest.mark.processes
def test_processes_share_the_points(pictures, tmp_path):
    options = [STUDENT, '--images', pictures, '--points', '3', '--device', 'cpu']
    assert call(TOOL, *options, '--out', 'alone', cwd=tmp_path) == 0
    run_ranks(run_tool, tmp_path, TOOLS / TOOL, tmp_path, *options, '--out', 'both')
    alone, both = ([*numbers(tmp_path / name).values()][0] for name in ('alone', 'both'))
    assert both['losses'] == alone['losses'] and both['points_of_this_process'] == 5


@pytest.mark.parametrize(('folder', 'arguments', 'message'), [
    ('.', ['--points', '4'], '--points expects an odd number'), ('.', ['--extent', '0'], '--extent expects a positive'),
    ('b', ['--points', '3'], 'a loss expects images with classes'),
    ('.', ['--loss', 'distillation'], 'error: ')])
def test_what_a_user_can_mend(pictures, tmp_path, capsys, folder, arguments, message):
    assert call(TOOL, SLAK, '--images', pictures / folder, *arguments, cwd=tmp_path) == 2
    *before, error = capsys.readouterr().err.splitlines()
    assert error.startswith('error: ') and message in error
    assert all(line.startswith('left out, cannot be read: ') for line in before)  # the damaged image
