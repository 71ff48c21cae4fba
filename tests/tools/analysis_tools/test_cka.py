"""The tool that compares layers."""
import json

import numpy as np
import pytest
from PIL import Image

from ..conftest import call

TOOL = 'analysis_tools/cka.py'
SLAK, STUDENT = 'quickstart/slak-mini_digits.py=random', 'quickstart/convnest-mini_digits-5shot.py=random'


def numbers(path) -> dict:
    content = json.loads(path.read_text())
    assert content['settings']['images']['size'] == 32
    with Image.open(path.with_suffix('.png')) as picture:
        assert picture.width > 300 and np.asarray(picture).std() > 5
    return content['numbers']


def test_two_models(pictures, tmp_path, capsys):
    options = ['--labels', 'teacher', 'student', '--images', pictures, '--batch-size', '5', '--out', 'out']
    assert call(TOOL, SLAK, STUDENT, *options, cwd=tmp_path) == 0
    header, *lines = capsys.readouterr().out.splitlines()[:6]
    assert 'most like it in student' in header
    found, = numbers(tmp_path / 'out/cka.json').values()
    for line, row in zip(lines, found['values'], strict=True):
        assert line.split()[1:] == [found['columns'][np.argmax(row)], f'{max(row):.3f}']
    assert found['batches'] == 2  # of 12 images, two are left over
    assert found['rows'] == found['columns'] == [*(f'backbone.stages.{stage}.0' for stage in range(3)), 'pre_logits',
                                                 'logits']
    assert np.array(found['values']).shape == (5, 5)


def test_a_model_beside_itself(pictures, tmp_path):
    options = ['--images', pictures, '--batch-size', '6', '--positions', '4', '--taps', 'backbone.stages.?', 'logits']
    assert call(TOOL, STUDENT, *options, '--out', 'out', cwd=tmp_path) == 0
    found, = numbers(tmp_path / 'out/cka.json').values()
    values = np.array(found['values'])
    assert np.allclose(values.diagonal(), 1) and np.allclose(values, values.T) and len(values) == 4


def test_groups_beside_images_and_labels(pictures, tmp_path, capsys):
    options = ['--images', pictures, '--batch-size', '6', '--groups', '4', '--out', 'out']
    assert call(TOOL, SLAK, STUDENT, *options, cwd=tmp_path) == 0
    found = numbers(tmp_path / 'out/cka_groups.json')
    assert found['stages'] == ['stage 1', 'stage 2', 'stage 3'] and len(found['cka']) == 2
    for entry in found['cka'].values():
        assert np.array(entry['images']).shape == np.array(entry['labels']).shape == (3, 4)
        assert np.abs(entry['images']).max() < 1 and not np.allclose(entry['images'], entry['labels'])


@pytest.mark.parametrize(('arguments', 'message'), [
    (['--number', '3'], 'CKA expects at least 4 images a batch, got 3'),
    (['--batch-size', '2'], 'CKA expects at least 4 images a batch, got 2'),
    (['--groups', '0'], '--groups expects 1 or more, got 0'),
    (['--groups', '1000'], '1000 groups expect at least 1000 channels'),
    (['--taps', 'neck.*'], '--taps expects names or patterns of modules'),
    (['--taps', 'stage9'], "has no tap 'stage9'")])
def test_what_a_user_can_mend(pictures, tmp_path, capsys, arguments, message):
    assert call(TOOL, STUDENT, '--images', pictures, *arguments, cwd=tmp_path) == 2
    assert message in capsys.readouterr().err
