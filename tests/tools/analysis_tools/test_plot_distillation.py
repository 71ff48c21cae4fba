"""The picture of distillation runs."""
import numpy as np
import pytest
from PIL import Image

from ..conftest import call

TOOL = 'analysis_tools/plot_distillation.py'


def test_draws_two_runs(distilled_run, ema_run, tmp_path, capsys):
    assert call(TOOL, distilled_run, ema_run, '--out', tmp_path / 'runs.png', cwd=tmp_path) == 0
    assert capsys.readouterr().out == f'Drawn: {tmp_path}/runs.png\n'
    with Image.open(tmp_path / 'runs.png') as image:
        pixels = np.asarray(image.convert('RGB'))
    assert min(pixels.shape[:2]) > 500 and pixels.std() > 5


def test_help_explains_the_panels(tmp_path, capsys):
    assert call(TOOL, '--help', cwd=tmp_path) == 0
    assert 'share of the gradient norm' in capsys.readouterr().out


@pytest.mark.parametrize(('arguments', 'message'), [
    (['nowhere'], 'error: a work dir expects a folder, got nowhere, which does not exist.'),
    (['.'], 'error: . expects a log with training figures in */vis_data/scalars.json, found none.'),
    (['RUN', '--out', '/dev/null/runs.png'], 'error: --out expects a picture that can be written'),
    (['RUN', '--out', 'runs'], 'error: --out expects a picture that can be written, such as runs.png, got runs (no'),
    (['RUN', '--out', 'runs.doc'], 'error: --out expects a picture that can be written'),
    (['RUN', '--metric', 'mIoU'], "error: --metric expects a validation figure of the runs, got 'mIoU'. Valid: "
                                  'accuracy/top1.')])
def test_what_cannot_be_drawn(distilled_run, tmp_path, capsys, arguments, message):
    arguments = [distilled_run if word == 'RUN' else word for word in arguments]
    assert call(TOOL, *arguments, cwd=tmp_path) == 2
    assert capsys.readouterr().err.startswith(message) and list(tmp_path.iterdir()) == []


def test_a_run_without_a_teacher(plain_run, tmp_path, capsys):
    assert call(TOOL, plain_run, cwd=tmp_path) == 2
    assert 'expects the log of a distillation run' in capsys.readouterr().err
