"""Timing a distillation step."""
import re

from ..conftest import CONVNEST, call

TOOL = 'analysis_tools/benchmark_step.py'


def test_prints_three_times_and_their_ratio(workplace, capsys):
    assert call(TOOL, 'recipe.py', '--rounds', '3', '--batch-size', '4', '--device', 'cpu', cwd=workplace) == 0
    out = capsys.readouterr().out
    assert 'recipe.py, 4 images a step on cpu, medians of 3 rounds' in out.splitlines()
    times = {name: float(value) for name, value in re.findall(r'^  (\w+) +([\d.]+) ms$', out, re.MULTILINE)}
    assert set(times) == {'distillation', 'student', 'teacher'} and min(times.values()) > 0
    ratio = float(re.search(r'distillation / \(student \+ teacher\) = ([\d.]+)\n$', out).group(1))
    # The ratio is a median of its own; it lies near that of the medians unless the machine is very busy.
    assert ratio > 0.2


def test_the_guard_against_nan_is_timed_beside_the_step_without(workplace, capsys):
    assert call(TOOL, 'recipe.py', '--rounds', '3', '--batch-size', '4', '--device', 'cpu', '--nan-guard',
                cwd=workplace) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    found = re.fullmatch(r'  with the NaN guard ([\d.]+) ms / without ([\d.]+) ms = ([\d.]+)', last)
    assert found and min(map(float, found.groups())) > 0


def test_a_checkpoint_that_is_missing_is_not_needed(workplace, capsys):
    options = ['--cfg-options', 'model.teacher.checkpoint=nowhere.pth']
    assert call(TOOL, 'recipe.py', '--rounds', '1', '--batch-size', '2', '--device', 'cpu', *options,
                cwd=workplace) == 0
    assert 'random weights in place of all checkpoints, which change no time' in capsys.readouterr().out


def test_a_plain_config_is_an_error(workplace, capsys):
    assert call(TOOL, CONVNEST, cwd=workplace) == 2
    assert capsys.readouterr().err == ("error: benchmark_step expects a recipe of type mmkd.Distiller, got "
                                       "'ImageClassifier'.\n")
