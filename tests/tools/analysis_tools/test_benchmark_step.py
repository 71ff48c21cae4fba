"""Timing a distillation step."""
import inspect
import json
import re

import pytest

from mmkd.benchmarks import timing

from ..conftest import CONVNEST, call

NKD = 'quickstart/convnest-mini_slak-mini-nkd_digits-5shot.py'
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


@pytest.mark.parametrize('hooks', [[], ['mmkd.ChannelsLastHook']])
def test_the_layout_is_that_of_the_training(workplace, capsys, monkeypatch, hooks):
    layouts = []

    def seconds_in_turn(runs, *args):
        model = inspect.getclosurevars(runs['distillation']).nonlocals['model']
        layouts.extend(weight.is_contiguous() for weight in model.parameters()
                       if weight.dim() == 4 and min(weight.shape[1:]) > 1)
        return {name: [1.0] for name in runs}

    monkeypatch.setattr(timing, 'seconds_in_turn', seconds_in_turn)
    options = ['--cfg-options', f'custom_hooks={[dict(type=hook) for hook in hooks]}']
    assert call(TOOL, 'recipe.py', '--batch-size', '2', '--device', 'cpu', *options, cwd=workplace) == 0
    assert layouts and all(contiguous != bool(hooks) for contiguous in layouts)


def test_a_checkpoint_that_is_missing_is_not_needed(workplace, capsys):
    options = ['--cfg-options', 'model.teacher.checkpoint=nowhere.pth']
    assert call(TOOL, 'recipe.py', '--rounds', '1', '--batch-size', '2', '--device', 'cpu', *options,
                cwd=workplace) == 0
    assert 'random weights in place of all checkpoints, which change no time' in capsys.readouterr().out


def test_a_plain_config_is_an_error(workplace, capsys):
    assert call(TOOL, CONVNEST, cwd=workplace) == 2
    assert capsys.readouterr().err == ("error: benchmark_step expects a recipe of type mmkd.Distiller, got "
                                       "'ImageClassifier'.\n")


def test_several_gpus_from_times_that_are_known_measure_nothing(workplace, capsys, tmp_path):
    options = ['student_ms=100', 'teacher_ms=40', 'step_ms=145', 'images_per_core=10', 'cores_per_gpu=8']
    assert call(TOOL, NKD, '--gpus', '1', '16', '--batch-size', '10', '--device', 'cpu', '--plot',
                tmp_path / 'new/scaling.png', '--setting', *options, cwd=workplace) == 0
    out = capsys.readouterr().out
    assert 'medians' not in out and 'say nothing' not in out
    assert 'On several GPUs, 10 images each. Computed, not measured, from the times of one (--setting).' in out
    sent = re.search(r'sent in a step: gradients ([\d.]+ [kM]B); check for NaN 4 B\n', out)
    assert sent, out
    rows = {row[0]: row for row in map(str.split, re.findall(r'^\d+ .*$', out, re.MULTILINE))}
    assert rows['1'] == ['1', '145.0', '100.00', '40.00', '5.00', '0.00', '0.00', '69', '100%', 'student', '6.9']
    assert float(rows['16'][1]) > 145 and rows['16'][-2] == 'student'
    assert '% less), bound by loading. ' in out  # 125 ms, since a core loads 10 images a second
    cores = re.search(r'([\d.]+) cores a GPU would keep up', out).group(1)
    assert 9.3 < float(cores) <= 9.5  # 10 images in 105 ms, and what is sent
    assert (tmp_path / 'new/scaling.png').stat().st_size > 10_000


def test_several_gpus_from_a_measurement_here_say_so(workplace, capsys):
    assert call(TOOL, 'recipe.py', '--rounds', '1', '--gpus', '2', '--batch-size', '2', '--device', 'cpu',
                cwd=workplace) == 0
    out = capsys.readouterr().out
    assert '(measured here on cpu).\nThe times are those of cpu: they say nothing of a GPU.' in out
    assert "the teacher's answers from a cache" not in out  # a term reads features


@pytest.mark.parametrize(('options', 'words'), [
    (['--setting', 'student_ms=1'], '--setting, --report and --plot expect --gpus, got none. Add --gpus 1 8 64.'),
    (['--gpus', '0'], '--gpus expects numbers of at least 1, got [0]. Correct them.'),
    (['--gpus', '1', '--setting', 'speed=1'], "--setting expects names that it knows, got 'speed'."),
    (['--gpus', '1', '--report', 'report.json', 'SLaK-T', '--batch-size', '5'],
     '--batch-size expects the 7 images with which the times of --report were measured, got 5. Leave it out.'),
])
def test_several_gpus_wrong_options(workplace, capsys, options, words):
    row = {'case': 'SLaK-T', 'batch': 7, 'step (ms)': 3}
    (workplace / 'report.json').write_text(json.dumps(dict(parts=dict(models=dict(rows=[row])))), encoding='utf-8')
    assert call(TOOL, 'recipe.py', *options, '--device', 'cpu', cwd=workplace) == 2
    assert capsys.readouterr().err.startswith(f'error: {words}')
