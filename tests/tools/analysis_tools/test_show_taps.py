"""Showing taps without any weights."""
import logging

import pytest

from mmkd.utils.configs.finding import config_root

from ..conftest import CONVNEST, call

TOOL = 'analysis_tools/show_taps.py'
RECIPE = f"""
_base_ = '{config_root()}/quickstart/convnest-mini_slak-mini-nkd_digits-5shot.py'
model = dict(
    teacher=dict(checkpoint='nowhere.pth'),
    terms=dict(fd=dict(loss=dict(type='mmkd.FDLoss'), student=['stage1', 'stage2'], teacher=['stage1', 'stage2'],
                       connector=dict(type='mmkd.ConvConnector'))))
"""


@pytest.fixture(autouse=True)
def restore_logging():
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def show(tmp_path, capsys):
    """Runs the tool; returns its exit status, and its words line by line."""
    (tmp_path / 'recipe.py').write_text(RECIPE)

    def _show(*arguments: str) -> tuple[int, list[str]]:
        status = call(TOOL, *arguments, cwd=tmp_path)
        return status, [' '.join(line.split()) for line in ''.join(capsys.readouterr()).splitlines()]

    return _show


def test_terms(show):
    status, lines = show('recipe.py')
    assert (status, lines[0]) == (0, 'recipe.py at 32×32, built without reading any weights')
    assert lines[2:] == [
        'term weight student connector loss teacher', 'nkd 1 logits (N, 10) NKDLoss logits (N, 10)',
        'temperature=1.0', 'gamma=1.5',
        'fd 1 stage1 (N, 16, 8, 8) 2 × ConvConnector FDLoss stage1 (N, 64, 8, 8)',
        f'stage2 (N, 32, 4, 4) {16 * 64 + 64 + 32 * 128 + 128:,} parameters stage2 (N, 128, 4, 4)']


def test_all_taps_and_modules(show):
    _, lines = show('recipe.py', '--all', '--modules', 'head*', '--input-size', '64', '48')
    student, teacher = (lines.index(f'{role}: ImageClassifier at 64×48') for role in ('student', 'teacher'))
    assert lines[student + 2:teacher - 1] == [
        'stage1 (N, 16, 16, 12)', 'stage2 (N, 32, 8, 6)', 'stage3 (N, 64, 4, 3)', 'pre_logits (N, 64)',
        'logits (N, 10)', 'head (N, 10)', 'head.loss_module not run', 'head.fc (N, 10)']
    assert lines[teacher + 2] == 'stage1 (N, 64, 16, 12)'


def test_plain_configs(show):
    assert 'logits (N, 10)' in show(CONVNEST, '--input-size', '32')[1]
    assert 'logits (N, 11, 24, 24)' in show('quickstart/upernet_convnest-mini-distilled_digits.py',
                                            '--input-size', '96')[1]
    detector = show('quickstart/mask-rcnn_convnest-mini-distilled_digits.py', '--input-size', '96')[1]
    assert 'logits [(N, 3, 24, 24), (N, 3, 12, 12), (N, 3, 6, 6), (N, 3, 3, 3)]' in detector


def test_mistakes(show):
    assert show('recipe.py', '--modules', 'head.fcc')[1][-1].startswith(
        "error: --modules expects a pattern of module paths, got 'head.fcc', which none matches. Did you mean head.fc")
    assert show('recipe.py', '--input-size', '0')[0] == 2
    status, lines = show('recipe.py', '--cfg-options', 'model.terms.nkd.student=logit')
    assert status == 2 and "no tap 'logit'. Did you mean logits" in lines[-1]
