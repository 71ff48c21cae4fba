"""Shapes of taps, and the table of a recipe's terms."""
import pytest
import torch
from torch import nn

from mmkd.recipes.tapped_shapes import HEADER, matching_modules, shape_text, tap_shapes, term_rows
from mmkd.utils import UserError
from mmkd.utils.command_line.tables import text_table


def test_named_taps(build):
    student = build().student.train()
    assert tap_shapes(student, (64, 32)) == dict(
        stage1='(N, 8, 16, 8)', stage2='(N, 16, 8, 4)', stage3='(N, 16, 4, 2)', stage4='(N, 16, 2, 1)',
        pre_logits='(N, 16)', logits='(N, 10)')
    assert student.training


def test_modules_by_a_pattern(build):
    student = build().student
    student.backbone.spare = nn.Linear(1, 1)
    names = [*matching_modules(student, 'backbone.stages.?'), 'backbone.spare']
    assert names[:4] == [f'backbone.stages.{i}' for i in range(4)]
    shapes = tap_shapes(student, (32, 32), names)
    assert shapes['backbone.stages.1'] == '(N, 16, 4, 4)' and shapes['backbone.spare'] == 'not run'
    assert matching_modules(student, 'nothing*') == []


def test_mistakes(build):
    student = build().student
    with pytest.raises(UserError, match="no tap 'stage9'"):
        tap_shapes(student, (32, 32), ['stage9'])
    with pytest.raises(UserError, match='cannot forward images of 3×3 .*--input-size'):
        tap_shapes(student, (3, 3))


def test_shown():
    assert shape_text(torch.zeros(2, 5)) == shape_text((2, 5)) == '(N, 5)'
    assert shape_text([(2, 2), torch.zeros(3)]) == '[(N, 2), (3,)]'
    assert (shape_text([]), shape_text(None)) == ('no tensor', 'NoneType')


def test_terms(build, recipe):
    recipe['terms']['fd']['weight'] = dict(value=0.5, warmup=2, decay='linear', stop=9)
    rows = term_rows(build(), recipe['terms'])
    assert rows[0] == ['nkd', '1', 'logits (N, 10)', '', 'NKDLoss', 'logits (N, 10)']
    connector = 16 * 32 + 32
    assert rows[1] == ['fd', '0.5\nwarm-up of 2 epochs\nlinear decay from 0 epochs\n0 from 9 epochs',
                       'stage2 (N, 16, 4, 4)', f'ConvConnector\n{connector} parameters', 'FDLoss',
                       'stage2 (N, 32, 4, 4)']
    lines = text_table(HEADER, rows).splitlines()
    assert len(lines) == 1 + 1 + 4
    assert {line.index(word) for line, word in zip(lines[:3], ('connector', ' ', 'ConvConnector'))} >= {
        lines[0].index('connector')}
    assert 'connector' not in text_table(HEADER, rows[:1])
