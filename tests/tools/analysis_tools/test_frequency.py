"""The tool that shows frequencies, and distances to the teacher."""
import json
import sys

import numpy as np
import pytest
from PIL import Image

from ..conftest import call

TOOL = 'analysis_tools/frequency.py'
SLAK, STUDENT = 'quickstart/slak-mini_digits.py=random', 'quickstart/convnest-mini_digits-5shot.py=random'


def numbers(path) -> dict:
    with Image.open(path.with_suffix('.png')) as picture:
        assert picture.width > 300 and np.asarray(picture).std() > 5
    return json.loads(path.read_text())['numbers']


def test_frequencies_of_two_models(pictures, tmp_path, capsys):
    options = ['--labels', 'teacher', 'student', '--images', pictures, '--tap', 'stage1', '--out', 'out']
    assert call(TOOL, SLAK, STUDENT, *options, cwd=tmp_path) == 0
    assert 'direct component' in capsys.readouterr().out
    found = numbers(tmp_path / 'out/frequency.json')
    assert list(found) == ['teacher (random weights)', 'student (random weights)']
    for entry in found.values():
        magnitudes = np.array(entry['magnitudes'])
        assert magnitudes.shape == (8, 8) and entry['images'] == 12
        assert entry['direct_share'] == pytest.approx(magnitudes[0, 0] / magnitudes.sum())


def test_distances_to_the_teacher(distilled_run, tmp_path, capsys):
    """In the folder of the run, whose recipe names its teacher by a relative path."""
    place = distilled_run.parent
    model = f'recipe.py={distilled_run / "epoch_4.pth"}'
    options = ['--distances', '--number', '20', '--out', tmp_path / 'out']
    assert call(TOOL, model, *options, '--labels', 'fd', cwd=place) == 0
    assert 'mean distance' in capsys.readouterr().out
    found = numbers(tmp_path / 'out/feature_distances.json')['fd']
    values = np.load(tmp_path / 'out/feature_distances.npz')['fd']
    assert found['images'] == len(values) == 20 and found['mean'] == pytest.approx(values.mean())
    assert (values > 0).all() and (values < 2).all()


@pytest.mark.parametrize(('arguments', 'message'), [
    (['--tap', 'logits'], "the tap 'logits of"), (['--distances'], '--distances expects RECIPE=CHECKPOINT'),
    (['--number', '0'], '--number expects 1 or more, got 0')])
def test_what_a_user_can_mend(pictures, tmp_path, capsys, arguments, message):
    assert call(TOOL, STUDENT, '--images', pictures, *arguments, cwd=tmp_path) == 2
    assert message in capsys.readouterr().err


def test_without_scipy(pictures, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, 'scipy.fft', None)
    assert call(TOOL, STUDENT, '--images', pictures, '--out', 'out', cwd=tmp_path) == 2
    assert capsys.readouterr().err == ('error: frequencies expect SciPy, which is not installed. Install it: pip '
                                       'install scipy.\n')
    assert not (tmp_path / 'out').exists()
