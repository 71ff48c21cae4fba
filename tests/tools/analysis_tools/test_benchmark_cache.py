"""Timing a training from kept answers."""
import re

from ..conftest import CONVNEST, call

TOOL = 'analysis_tools/benchmark_cache.py'
TITLES = ['student alone', 'from kept answers', 'with the teacher', 'asking the teacher', 'building a cache']


def test_prints_what_answers_save_and_cost(workplace, capsys):
    """More rounds than an epoch has batches: both the training and the building go round."""
    assert call(TOOL, 'recipe.py', '--rounds', '4', '--batch-size', '4', '--photos', '8', '--device', 'cpu',
                cwd=workplace) == 0
    out = capsys.readouterr().out
    assert 'recipe.py, 4 images a step on cpu, medians of 4 rounds' in out.splitlines()
    rows = re.findall(r'^  (\w[\w ]+?) +([\d.]+) ms +([\d.]+) ms +([\d.]+)$', out, re.MULTILINE)
    assert [row[0] for row in rows] == TITLES
    assert all(float(rest) > 0 and float(ratio) > 0 for _, _, rest, ratio in rows)
    assert rows[0][3] == rows[3][3] == '1.000'


def test_bad_input(workplace, capsys):
    assert call(TOOL, CONVNEST, cwd=workplace) == 2
    assert 'expects a recipe of type mmkd.Distiller' in capsys.readouterr().err
    for words in (['--topk', 'few'], ['--topk', '²'], ['--topk', '0'], ['--batch-size', '0'], ['--photos', '-1']):
        assert call(TOOL, 'recipe.py', *words, cwd=workplace) == 2
        assert "--topk a number from 1 or 'all'" in capsys.readouterr().err
