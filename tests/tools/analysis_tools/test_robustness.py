"""The tool that tests on other images."""
import json

import numpy as np
import pytest
from PIL import Image

from ...processes import run_ranks, run_tool
from ..conftest import TOOLS, call
from ..test_test_data import workplace  # noqa: F401  (a classifier of 1,000 classes, and a few of ImageNet's images)

TOOL = 'analysis_tools/robustness.py'
SLAK, STUDENT = 'quickstart/slak-mini_digits.py=random', 'quickstart/convnest-mini_digits-5shot.py=random'
FEW = ['--corruptions', 'fog', 'gaussian_noise', '--severities', '1', '5']


def numbers(path, name: str) -> dict:
    with Image.open(path / f'{name}.png') as picture:
        assert picture.width > 300 and np.asarray(picture).std() > 5
    return json.loads((path / f'{name}.json').read_text())['numbers']


def test_the_sets_that_are_there(workplace, capsys):  # noqa: F811
    roots = ['imagenet-v2=archive://data/imagenet-v2.zip', 'imagenet-r=nowhere']
    options = ['--labels', 'one', 'two', '--out', 'rob', '--roots', *roots]
    sets = ['--sets', 'clean', 'imagenet-a', 'imagenet-v2', 'imagenet-r', 'imagenet-c']
    assert call(TOOL, 'tiny.py=tiny.pth', 'tiny.py=tiny.pth', *options, *sets, cwd=workplace) == 0
    printed = capsys.readouterr().out
    assert 'Left out: imagenet-r: ' in printed and 'nowhere, which does not exist' in printed
    assert 'Left out: imagenet-c: ' in printed  # only fog is there
    assert [line for line in printed.splitlines() if line.startswith('one')][0].split() == [
        'one', '100.00', '–', '–', '100.00', '33.33']
    found = numbers(workplace / 'rob', 'robustness')
    assert found['one'] == found['two'] and set(found['one']['missing']) == {'imagenet-r', 'imagenet-c'}
    assert found['one']['metrics']['imagenet-a'] == {'accuracy/top1': 100., 'accuracy/top5': 100.}


def test_a_model_of_other_classes_and_no_data(workplace, tmp_path, capsys):  # noqa: F811
    sets = ['--sets', 'imagenet-a', '--out', 'digits']
    assert call(TOOL, SLAK, *sets, cwd=workplace) == 2
    out, err = capsys.readouterr()
    assert 'the model has 10 classes' in out and 'found the data of none' in err
    assert call(TOOL, SLAK, '--sets', 'imagenet-x', cwd=tmp_path) == 2
    assert "--sets expects test sets, got 'imagenet-x'" in capsys.readouterr().err
    assert call(TOOL, SLAK, '--roots', 'imagenet-a', cwd=tmp_path) == 2
    assert '--roots expects SET=FOLDER' in capsys.readouterr().err
    for option in (['--corruptions', 'fog'], ['--severities', '1'], ['--baseline', 'alexnet']):
        assert call(TOOL, SLAK, *option, cwd=tmp_path) == 2
        assert f'{option[0]} expects --corrupt, got none' in capsys.readouterr().err


@pytest.mark.processes
def test_corrupted_images(pictures, tmp_path, capsys):
    pytest.importorskip('imagecorruptions')
    options = ['--labels', 'teacher', 'student', '--images', pictures, '--corrupt', *FEW]
    assert call(TOOL, SLAK, STUDENT, *options, '--baseline', 'student (random weights)', '--out', 'out',
                cwd=tmp_path) == 0
    printed = capsys.readouterr().out
    assert 'mCE beside student' in printed and 'has 10 classes' in printed
    found = numbers(tmp_path / 'out', 'corruptions')
    teacher, student = found['models'].values()
    assert student['mCE'] == 100 and np.shape(teacher['errors']) == (2, 2) and teacher['images'] == 12
    expected = [100 * sum(one) / sum(other) for one, other in zip(teacher['errors'], student['errors'])]
    assert np.allclose(teacher['CE'], expected) and teacher['mCE'] == pytest.approx(np.mean(expected))
    same = [SLAK, '--labels', 'teacher', *options[3:], '--batch-size', '4', '--device', 'cpu', '--out', 'both']
    run_ranks(run_tool, tmp_path, TOOLS / TOOL, tmp_path, *same)
    alone, = numbers(tmp_path / 'both', 'corruptions')['models'].values()
    assert alone['errors'] == teacher['errors']  # whatever other models, batches and processes there are


@pytest.mark.parametrize(('folder', 'arguments', 'message'), [
    ('b', FEW, 'errors expect images with classes'), ('.', ['--size', '16'], 'at least 32×32, got 16×16'),
    ('.', [*FEW, '--baseline', 'nobody'], '--baseline expects the label of a model'),
    ('.', ['--corruptions', 'foq'], "got 'foq'"), ('.', ['--severities', '9'], 'severities from 1 to 5, got 9')])
def test_what_a_user_can_mend(pictures, tmp_path, capsys, folder, arguments, message):
    pytest.importorskip('imagecorruptions')
    assert call(TOOL, SLAK, '--images', pictures / folder, '--corrupt', *arguments, cwd=tmp_path) == 2
    *before, error = capsys.readouterr().err.splitlines()
    assert error.startswith('error: ') and message in error
    assert all(line.startswith('left out, cannot be read: ') for line in before)  # the damaged image
