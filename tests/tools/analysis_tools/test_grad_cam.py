"""The tool that draws Grad-CAM."""
import json

import numpy as np
import pytest
from PIL import Image

from ..conftest import call

pytest.importorskip('captum')
TOOL = 'analysis_tools/grad_cam.py'
SLAK, STUDENT = 'quickstart/slak-mini_digits.py=random', 'quickstart/convnest-mini_digits-5shot.py=random'


def test_rows_of_images_and_columns_of_models(pictures, tmp_path, capsys):
    options = ['--labels', 'teacher', 'student', '--images', pictures, '--number', '3', '--target', 'label']
    assert call(TOOL, SLAK, STUDENT, *options, '--out', 'out', cwd=tmp_path) == 0
    printed = capsys.readouterr().out
    assert 'student (random weights)' in printed and 'has 10 classes' in printed
    numbers = json.loads((tmp_path / 'out/grad_cam.json').read_text())['numbers']
    assert len(numbers) == 2
    for entry in numbers.values():
        assert entry['tap'] == 'stage3' and len(entry['images']) == 3
        assert {image['target'] for image in entry['images']} == {0, 1}  # the folders a and b
        assert all(0 < image['score'] < 1 and np.shape(image['map']) == (2, 2) for image in entry['images'])
    maps = np.load(tmp_path / 'out/grad_cam.npz')['student (random weights)']
    assert maps.shape == (3, 32, 32) and maps.min() >= 0 and maps.max() <= 1
    with Image.open(tmp_path / 'out/grad_cam.png') as picture:
        assert picture.height > picture.width / 2 and np.asarray(picture).std() > 5


def test_one_class_in_a_folder_without_classes(pictures, tmp_path):
    options = ['--images', pictures / 'b', '--number', '1', '--target', '7', '--tap', 'stage2', '--out', 'out']
    assert call(TOOL, STUDENT, *options, cwd=tmp_path) == 0
    numbers, = json.loads((tmp_path / 'out/grad_cam.json').read_text())['numbers'].values()
    assert numbers['images'][0]['target'] == 7 and np.shape(numbers['images'][0]['map']) == (4, 4)


@pytest.mark.parametrize(('folder', 'arguments', 'message'), [
    ('b', ['--target', 'label'], '--target label expects images with classes'),
    ('.', ['--target', 'dog'], "the index of a class, got 'dog'"),
    ('.', ['--target', '12'], 'a model of 10 classes expects classes from 0 to 9, got 12'),
    ('.', ['--tap', 'pre_logits'], 'expects a tap that reads a map or tokens')])
def test_what_a_user_can_mend(pictures, tmp_path, capsys, folder, arguments, message):
    assert call(TOOL, SLAK, '--images', pictures / folder, '--number', '1', *arguments, cwd=tmp_path) == 2
    *before, error = capsys.readouterr().err.splitlines()
    assert error.startswith('error: ') and message in error
    assert all(line.startswith('left out, cannot be read: ') for line in before)  # the damaged image
