"""The tool that draws histograms."""
import json

import numpy as np
import pytest
from PIL import Image

from ..conftest import call

TOOL = 'analysis_tools/histograms.py'
SLAK, STUDENT = 'quickstart/slak-mini_digits.py=random', 'quickstart/convnest-mini_digits-5shot.py=random'


def test_two_models(pictures, tmp_path, capsys):
    options = ['--labels', 'teacher', 'student', '--images', pictures, '--batch-size', '5', '--bins', '20']
    assert call(TOOL, SLAK, STUDENT, *options, '--out', 'out', cwd=tmp_path) == 0
    assert 'excess kurtosis' in capsys.readouterr().out
    numbers = json.loads((tmp_path / 'out/histograms.json').read_text())['numbers']
    teacher, student = numbers.values()
    for one, other in zip(teacher, student, strict=True):
        assert one['input feature']['edges'] == other['input feature']['edges'] and len(one['weight']['edges']) == 21
        for each in (one['input feature'], one['weight'], other['input feature'], other['weight']):
            assert sum(each['counts']) + each['outside'] == each['number'] > 0
    assert student[0]['layer'].endswith('depthwise_conv')
    with Image.open(tmp_path / 'out/histograms.png') as picture:
        assert picture.width > 800 and np.asarray(picture).std() > 5


def test_named_layers_of_a_detector(pictures, tmp_path):
    layer = 'backbone.stages.0.0.depthwise_conv'
    options = ['--images', pictures, '--number', '2', '--layers', layer, '--out', 'out']
    assert call(TOOL, 'quickstart/mask-rcnn_convnest-mini_digits.py=random', *options, cwd=tmp_path) == 0
    numbers, = json.loads((tmp_path / 'out/histograms.json').read_text())['numbers'].values()
    assert [entry['layer'] for entry in numbers] == [layer]


@pytest.mark.parametrize(('arguments', 'message'), [
    (['--bins', '1'], '--bins expects 2 or more'), (['--layers', 'backbone.nowhere'], "has no tap 'backbone.nowhere"),
    (['--layers', 'backbone'], "got 'backbone': it has none")])
def test_what_a_user_can_mend(pictures, tmp_path, capsys, arguments, message):
    assert call(TOOL, SLAK, '--images', pictures, '--number', '2', *arguments, cwd=tmp_path) == 2
    *before, error = capsys.readouterr().err.splitlines()
    assert error.startswith('error: ') and message in error
    assert all(line.startswith('left out, cannot be read: ') for line in before)  # the damaged image
