"""The tool that draws compute shares."""
import json

import numpy as np
import pytest
from PIL import Image

from mmkd.analysis.compute_shares import closed_form

from ..conftest import call

TOOL = 'analysis_tools/compute_shares.py'
SLAK, STUDENT = 'quickstart/slak-mini_digits.py=random', 'quickstart/convnest-mini_digits-5shot.py=random'


def test_two_models(tmp_path, capsys):
    options = ['--labels', 'teacher', 'student', '--size', '32', '--list', '--out', 'out']
    assert call(TOOL, SLAK, STUDENT, *options, cwd=tmp_path) == 0
    printed = capsys.readouterr().out
    assert 'backbone.stages.0.0.depthwise_conv.weight' in printed and '32×32' in printed
    numbers = json.loads((tmp_path / 'out/compute_shares.json').read_text())['numbers']
    assert numbers['closed_form']['12'] == closed_form(1e6, 12, 3)
    assert 0 < numbers['models']['student']['of_blocks']['flops'] < 1
    with Image.open(tmp_path / 'out/compute_shares.png') as picture:
        assert picture.width > 800 and np.asarray(picture).std() > 5


@pytest.mark.parametrize(('arguments', 'message'), [
    (['--size', '0'], '--size expects 1 or more'), (['--kernel', '0'], 'the closed form expects positive numbers'),
    (['--token-mixing', '['], '--token-mixing expects a regular expression')])
def test_what_a_user_can_mend(tmp_path, capsys, arguments, message):
    assert call(TOOL, SLAK, *arguments, cwd=tmp_path) == 2
    error = capsys.readouterr().err
    assert error.startswith('error: ') and message in error and error.count('\n') == 1
