"""The tool that draws effective receptive fields."""
import json
import re

import numpy as np
import pytest
from PIL import Image

from ..conftest import call

TOOL = 'analysis_tools/receptive_field.py'
SLAK, STUDENT = 'quickstart/slak-mini_digits.py', 'quickstart/convnest-mini_digits-5shot.py'


@pytest.fixture
def images(tmp_path):
    """Three pictures and a damaged one."""
    folder = tmp_path / 'images'
    folder.mkdir()
    for number in range(3):
        noise = np.random.default_rng(number).integers(0, 255, (20, 24, 3), np.uint8)
        Image.fromarray(noise).save(folder / f'{number}.png')
    (folder / 'damaged.png').write_bytes(b'none')
    return folder


def test_two_models_on_a_folder(images, tmp_path, capsys):
    options = ['--labels', 'teacher', 'student', '--images', images, '--size', '48', '--out', tmp_path / 'out']
    assert call(TOOL, f'{SLAK}=random', f'{STUDENT}=random', *options, cwd=tmp_path) == 0
    printed = capsys.readouterr().out
    assert 'teacher (random weights)' in printed and '20 %' in printed
    content = json.loads((tmp_path / 'out/receptive_field.json').read_text())
    numbers, settings = content['numbers'], content['settings']
    assert list(numbers) == ['teacher (random weights)', 'student (random weights)']
    assert all(entry['images'] == 3 and 0 < entry['area_ratios']['log']['0.5'] < 1 for entry in numbers.values())
    assert settings['images']['size'] == 48 and list(settings['images']['unreadable']) == [str(images / 'damaged.png')]
    scores = np.load(tmp_path / 'out/receptive_field.npz')['teacher (random weights)']
    assert scores.shape == (48, 48) and scores.min() >= 0 < scores.max()
    with Image.open(tmp_path / 'out/receptive_field.png') as picture:
        assert picture.width > 800 and np.asarray(picture).std() > 5
    assert call(TOOL, f'{SLAK}=random', *options[3:], cwd=tmp_path) == 2
    assert '--force' in capsys.readouterr().err


def test_the_backbone_of_a_detector_on_small_images(images, tmp_path):
    for number in range(3):
        Image.new('RGB', (12, 12)).save(images / f'{number}.png')
    model = 'quickstart/mask-rcnn_convnest-mini_digits.py=random'
    options = ['--tap', 'stage2', '--images', images, '--linear', '--first', '--number', '1', '--out', 'out']
    assert call(TOOL, model, *options, cwd=tmp_path) == 0
    assert json.loads((tmp_path / 'out/receptive_field.json').read_text())['settings']['images']['size'] == 4 * 96


def test_the_size_is_that_of_the_models_and_is_said_before(images, tmp_path, capsys):
    """The pictures have sizes of their own, which say nothing of what a model takes."""
    Image.new('RGB', (90, 120)).save(images / 'other.png')
    assert call(TOOL, f'{SLAK}=random', '--images', images, '--number', '1', '--out', 'out', cwd=tmp_path) == 0
    size, time, *_ = capsys.readouterr().out.splitlines()
    assert size == 'images: 1 of 128×128 (4 × slak-mini_digits (random weights): 32)'
    assert re.fullmatch(r'about \d+:\d\d for 1 model', time)
    assert json.loads((tmp_path / 'out/receptive_field.json').read_text())['settings']['images']['size'] == 128


@pytest.mark.parametrize(('arguments', 'message'), [
    (['--thresholds', '50'], '--thresholds expects shares between 0 and 1, got [50.0]'),
    (['--tap', 'logits'], "the tap 'logits' expects a map"),
    (['--tap', 'stage9'], "has no tap 'stage9'"),
    (['--device', 'cuda:99'], '--device expects a device of this machine'),
    (['--seed', '-1'], '--seed expects 0 or more'),
    (['--size', '4'], 'SLaK expects images of at least 16x16')])
def test_what_a_user_can_mend(images, tmp_path, capsys, arguments, message):
    assert call(TOOL, f'{SLAK}=random', '--images', images, '--size', '32', *arguments, cwd=tmp_path) == 2
    error = capsys.readouterr().err
    assert error.startswith('error: ') and message in error and error.count('\n') == 1
