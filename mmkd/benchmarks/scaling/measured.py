"""The measured times of one GPU: from a GPU report, from the command line, or measured now."""
import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from mmkd.utils import UserError, nearest
from mmkd.utils.building.arguments import is_finite

from .setting import Setting


class Times(NamedTuple):
    """Times of a step.

    Args:
        student: Seconds of the student's step.
        teacher: Seconds of the teachers' pass; None where it was not measured.
        step: Seconds of the distillation step; None for the sum.
        source: Where they come from.
        batch: Images a step; None where that is not known.
    """
    student: float
    teacher: float | None
    step: float | None
    source: str
    batch: int | None = None


def choose_times(setting: Setting, report: Times | None, measure: Callable[[], Times]) -> Times:
    """Takes the times from the report, from the setting, or measures them.

    Raises:
        UserError: Two of them say the same, or a part is missing.
    """
    given = {name: value / 1000 for name in ('student', 'teacher', 'step')
             if (value := getattr(setting, f'{name}_ms')) is not None}
    if report is None and not given:
        return measure()
    times = report or Times(None, None, None, '--setting')
    for name, value in given.items():
        if getattr(times, name) is not None:
            raise UserError(f'--setting expects only times that --report does not have, got {name}_ms. Leave one of '
                            'them out.')
        times = times._replace(**{name: value})
    missing = [f'{name}_ms' for name in ('student', 'teacher') if getattr(times, name) is None]
    if missing:
        raise UserError(f'--gpus expects the times of student and teacher, got none for {", ".join(missing)}. Add '
                        f'--setting {missing[0]}=MILLISECONDS, or leave all times out, so that they are measured here.')
    named = ', '.join(f'{name}_ms' for name in given)
    return times._replace(source=f'{times.source} and --setting {named}' if report and given else times.source)


def read_report(path: Path, case: str) -> Times:
    """The times of a case of ``gpu_report``'s JSON: a distillation step, or a model trained without a teacher.

    Of a case that was run in several ways the fastest counts.

    Raises:
        UserError: The file is no report, or the case was not measured.
    """
    report = _read(path)
    rows = [row for part in ('steps', 'models') for row in report['parts'].get(part, {}).get('rows', [])
            if _number(row.get('step (ms)')) and _number(row.get('batch')) and isinstance(row.get('case'), str)]
    found = [row for row in rows if row['case'] == case]
    if not found:
        raise UserError(f'--report expects a case whose step was measured in {path}, got {case!r}. '
                        f'{nearest(case, [row["case"] for row in rows])}')
    row = min(found, key=lambda row: row['step (ms)'] / row['batch'])
    how = ', '.join(str(row[key]) for key in ('run', 'layout') if key in row)
    device = report.get('facts', {}).get('device', 'an unknown device')
    source = f'{path}, {case}{f" ({how})" if how else ""}, on {device}'
    step, batch = row['step (ms)'] / 1000, int(row['batch'])
    if 'student (ms)' not in row:
        return Times(step, None, None, source, batch)  # a model that was trained without a teacher
    student, teacher = row['student (ms)'], row.get('teacher (ms)')
    if not (_number(student) and _number(teacher)):
        raise UserError(f'--report expects milliseconds of student and teacher in {path}, got {student!r} and '
                        f'{teacher!r} for {case!r}. Make the report anew.')
    return Times(student / 1000, teacher / 1000, step, source, batch)


def _read(path: Path) -> dict:
    try:
        report = json.loads(path.read_text(encoding='utf-8'))
        rows = [row for part in report['parts'].values() for row in part['rows']]
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UserError(f'--report expects a file that gpu_report.py has written, got {path} '
                        f'({type(error).__name__}). Make one with mmkd benchmark gpu.') from error
    if not all(isinstance(row, dict) for row in rows) or not isinstance(report.get('facts', {}), dict):
        raise UserError(f'--report expects a file that gpu_report.py has written, got {path}. Make one with mmkd '
                        'benchmark gpu.')
    return report


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and is_finite(value) and value > 0
