"""Runs the parts, each in a process of its own with a time limit, and writes what is known after each."""
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import torch

from mmkd.utils.command_line.tables import markdown_table
from mmkd.utils.versions import installed_versions, usable_cores

from .settings import Settings


class Part(NamedTuple):
    """A part of the report.

    Args:
        module: Where its rows come from.
        title: Its heading.
        seconds: Its time limit.
        quick: The same of a quick report; 0 leaves it out.
    """
    module: str
    title: str
    seconds: int
    quick: int


# In the order of what one would want to know if the next one did not come to its end.
PARTS = dict(
    correctness=Part('correctness', 'Triton kernels against float64', 60, 40),
    branches=Part('branches', 'Depthwise layers beside conv2d', 70, 30),
    models=Part('models', 'Training steps beside ConvNeXt-T, bfloat16', 110, 50),
    steps=Part('steps', 'Distillation steps beside their parts', 80, 0),
    search=Part('search', 'Cuts of the work into programs', 100, 0),
    tests=Part('gpu_tests', 'Tests marked gpu', 60, 0))


def device_facts(device: str) -> dict[str, str]:
    """What the figures depend on: device, driver's and packages' versions."""
    facts = installed_versions()
    try:
        import triton
        facts['triton'] = triton.__version__
    except ImportError:
        facts['triton'] = 'not installed'
    if not device.startswith('cuda'):
        return dict(device=f'{usable_cores()} CPU cores') | facts
    properties = torch.cuda.get_device_properties(0)
    return dict(device=properties.name, capability=f'{properties.major}.{properties.minor}',
                memory=f'{properties.total_memory / 2**30:.0f} GiB',
                cuda=str(torch.version.cuda), cudnn=str(torch.backends.cudnn.version())) | facts


def run_part(part: Part, settings: Settings, limit: float) -> dict:
    """Runs a part.

    Args:
        part: Which.
        settings: How to measure.
        limit: Seconds after which it, and all that it started, is ended.

    Returns:
        ``title``, ``rows``, ``seconds``, and ``error`` if it did not come to its end.
    """
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, 'rows')
        file.touch()
        process = subprocess.Popen([sys.executable, '-m', __package__, part.module, str(file),
                                    json.dumps(settings._asdict())], start_new_session=True)
        try:
            status = process.wait(limit)
            error = f'ended with status {status}' if status else None
        except subprocess.TimeoutExpired:
            error = f'stopped after {limit:.0f} s'
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        rows = [json.loads(line) for line in file.read_text(encoding='utf-8').splitlines() if line.endswith('}')]
    return dict(title=part.title, rows=rows, seconds=time.perf_counter() - start) | (dict(error=error) if error else {})


def run(names: Iterable[str], settings: Settings, out: Path, command: str, say: Callable[[str], None],
        limit: float | None = None) -> dict:
    """Runs parts and writes ``out`` with the endings .json and .md after each.

    Args:
        names: Keys of :data:`PARTS`.
        settings: How to measure.
        out: Where to write.
        command: How the report was asked for, to be repeated.
        say: Called with a line before each part.
        limit: Seconds for each part in place of its own.

    Returns:
        The report.
    """
    report = dict(command=command, facts=device_facts(settings.device), parts={})
    out.parent.mkdir(parents=True, exist_ok=True)
    for name in names:
        part = PARTS[name]
        seconds = limit or (part.quick if settings.quick else part.seconds) or part.seconds
        say(f'{part.title} (at most {seconds:.0f} s) ...')
        report['parts'][name] = run_part(part, settings, seconds)
        out.with_suffix('.json').write_text(json.dumps(report, indent=1) + '\n', encoding='utf-8')
        out.with_suffix('.md').write_text(markdown(report), encoding='utf-8')
    return report


def markdown(report: dict) -> str:
    """The report as Markdown: facts, then a table a part; failures stand in their rows."""
    facts = ', '.join(f'{name} {value}' if name != 'device' else value for name, value in report['facts'].items())
    lines = ['# GPU report', '', facts + '.', '', f'Command: `{report["command"]}`', '']
    for part in report['parts'].values():
        lines += [f'## {part["title"]}', '']
        if 'error' in part:
            lines += [f'**Not complete: {part["error"]}.**', '']
        tables: dict[tuple[str, ...], list[dict]] = {}
        for row in part['rows']:
            tables.setdefault(tuple(row), []).append(row)
        for columns, rows in tables.items():
            lines.append(markdown_table(columns, [list(map(_cell, row.values())) for row in rows]))
    return '\n'.join(lines)


def _cell(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return {True: 'yes', False: '**no**', None: '-'}[value]
    return f'{value:.3g}' if isinstance(value, float) and abs(value) < 100 else (
        f'{value:.0f}' if isinstance(value, float) else str(value))
