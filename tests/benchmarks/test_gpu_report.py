"""The GPU report runs from end to end on a CPU with small sizes, and says what did not come to its end."""
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mmkd.benchmarks.gpu_report.report import PARTS, Part, markdown, run_part
from mmkd.benchmarks.gpu_report.settings import Settings

pytest.importorskip('triton', reason='Triton is not installed')
ROOT = Path(__file__).parents[2]
TOOL = ROOT / 'tools/analysis_tools/gpu_report.py'
SMALL = Settings('cpu', quick=True, small=True)


@pytest.fixture(autouse=True)
def interpreted(monkeypatch):
    monkeypatch.setenv('TRITON_INTERPRET', '1')
    monkeypatch.setenv('OMP_NUM_THREADS', '1')


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_from_end_to_end(tmp_path):
    command = [sys.executable, str(TOOL), '--device', 'cpu', '--small', '--limit', '300', '--out', str(tmp_path / 'r')]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=os.environ)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / 'r.json').read_text())
    assert list(report['parts']) == list(PARTS) and 'CPU cores' in report['facts']['device']
    assert not any('error' in part for part in report['parts'].values()), report
    rows = {name: part['rows'] for name, part in report['parts'].items()}
    assert rows['correctness'] and all(row['right'] for row in rows['correctness'])
    assert {row['case'] for row in rows['models']} == {'ConvNeXt-T', 'ConvNeSt-T', 'SLaK-T'}
    assert not any('error' in row for name in ('branches', 'models', 'search') for row in rows[name])
    steps = [row for row in rows['steps'] if 'error' not in row]
    assert [row['case'] for row in steps] == ['ResNet-50 ← ConvNeXt-T, KD', 'ConvNeSt-T ← SLaK-T, KD'], rows['steps']
    assert rows['tests'][0]['skipped'] == rows['tests'][0]['tests'] > 0
    assert (tmp_path / 'r.md').read_text() == markdown(report)
    assert all(part.title in done.stdout for part in PARTS.values())


def test_a_part_that_takes_too_long_is_stopped_and_keeps_its_rows(monkeypatch):
    part = run_part(Part('branches', 'Layers', 1, 1), SMALL, 0.5)
    assert part['error'] == 'stopped after 0 s' and part['rows'] == [] and part['seconds'] < 30


def test_a_part_that_fails_says_so():
    part = run_part(Part('no_such_part', 'Nothing', 60, 60), SMALL, 60)
    assert part['error'].startswith('ended with status 1')
    text = markdown(dict(command='x', facts=dict(device='d'), parts=dict(a=part)))
    assert '**Not complete: ended with status 1.**' in text


def test_no_gpu_is_one_line(tmp_path):
    import torch
    if torch.cuda.is_available():
        pytest.skip('there is a GPU here')
    done = subprocess.run([sys.executable, str(TOOL)], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2 and done.stderr.splitlines()[-1].startswith('error: gpu_report expects a GPU')
