"""Times of one GPU from a report, the command line, or a measurement."""
import json

import pytest

from mmkd.benchmarks.gpu_report.steps import CASES
from mmkd.benchmarks.scaling.measured import Times, choose_times, read_report
from mmkd.benchmarks.scaling.setting import Setting
from mmkd.utils import UserError

KD = CASES[1][0]
STEPS = [{'case': KD, 'batch': 128, 'step (ms)': 240., 'student (ms)': 186., 'teacher (ms)': 50.},
         dict(case='ScaleKD', error='OutOfMemoryError')]
MODELS = [{'case': 'SLaK-T', 'batch': 128, 'run': 'eager', 'layout': layout, 'step (ms)': time}
          for layout, time in (('channels_last', 142.), ('contiguous', 190.))]


def written(path, **changes):
    parts = dict(models=dict(rows=MODELS), steps=dict(rows=STEPS))
    path.write_text(json.dumps(dict(facts=dict(device='GPU X'), parts=parts) | changes), encoding='utf-8')
    return path


def never():
    raise AssertionError('measured')


def test_a_step_of_a_report(tmp_path):
    path = written(tmp_path / 'r.json')
    assert read_report(path, KD) == Times(.186, .05, .24, f'{path}, {KD}, on GPU X', 128)


def test_a_model_of_a_report_in_its_fastest_way_has_no_teacher(tmp_path):
    path = written(tmp_path / 'r.json')
    times = read_report(path, 'SLaK-T')
    assert times == Times(.142, None, None, f'{path}, SLaK-T (eager, channels_last), on GPU X', 128)
    with pytest.raises(UserError, match='got none for teacher_ms'):
        choose_times(Setting(), times, never)
    both = choose_times(Setting(teacher_ms=30.), times, never)
    assert both[:3] == (.142, .03, None) and both.source.endswith('on GPU X and --setting teacher_ms')


@pytest.mark.parametrize('content', ['{', '[]', '{}', '{"parts": 3}', '{"parts": {"steps": {"rows": [1]}}}', '[' * 9999,
                                     '{"parts": {"steps": {}}}', '{"parts": {}, "facts": 1}', '\udcff'])
def test_what_is_no_report_is_one_line(tmp_path, content):
    path = tmp_path / 'r.json'
    path.write_text(content, encoding='utf-8', errors='surrogateescape')
    with pytest.raises(UserError, match='expects a file that gpu_report.py has written'):
        read_report(path, KD)
    with pytest.raises(UserError, match='FileNotFoundError'):
        read_report(tmp_path / 'none.json', KD)


@pytest.mark.parametrize('case', ['ScaleKD', 'nothing'])
def test_a_case_that_was_not_measured(tmp_path, case):
    with pytest.raises(UserError, match=f'got {case!r}.*Valid: {KD}, SLaK-T'):
        read_report(written(tmp_path / 'r.json'), case)


@pytest.mark.parametrize('value', [None, 'x', True, -1, 0, float('nan'), float('inf'), []])
def test_a_time_that_is_none(tmp_path, value):
    parts = dict(steps=dict(rows=[STEPS[0] | {'student (ms)': value}]))
    with pytest.raises(UserError, match='expects milliseconds of student and teacher'):
        read_report(written(tmp_path / 'r.json', parts=parts), KD)
    parts = dict(steps=dict(rows=[STEPS[0] | {'step (ms)': value}]))
    with pytest.raises(UserError, match='expects a case'):
        read_report(written(tmp_path / 'r.json', parts=parts), KD)


def test_given_times_are_taken_and_others_measured():
    assert choose_times(Setting(student_ms=10., teacher_ms=0.), None, never) == Times(.01, 0., None, '--setting')
    here = Times(1., 2., 3., 'here')
    assert choose_times(Setting(), None, lambda: here) is here
    with pytest.raises(UserError, match='got none for student_ms'):
        choose_times(Setting(teacher_ms=5.), None, never)
    with pytest.raises(UserError, match='got none for student_ms, teacher_ms'):
        choose_times(Setting(step_ms=5.), None, never)


def test_a_time_is_not_said_twice(tmp_path):
    with pytest.raises(UserError, match='got student_ms'):
        choose_times(Setting(student_ms=5.), read_report(written(tmp_path / 'r.json'), KD), never)
