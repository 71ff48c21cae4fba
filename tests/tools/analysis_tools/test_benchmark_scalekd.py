"""Timing ScaleKD beside its plain formulation."""
import re

import pytest

from ..conftest import call

ROW = r'^  {}  *([\d.]+) ms +([\d.]+) MiB   loss ([\d.]+)$'


@pytest.mark.parametrize('options', [[], ['--with-cp'], ['--amp', 'bf16']])
def test_both_give_the_same_loss(tmp_path, capsys, options):
    arguments = ['--batch-size', '1', '--rounds', '1', '--device', 'cpu', *options]
    assert call('analysis_tools/benchmark_scalekd.py', *arguments, cwd=tmp_path) == 0
    out = capsys.readouterr().out
    assert out.startswith('resnet18_swin_tiny, 1 images on cpu, medians of 1 rounds\n')
    plain, ours = ([float(x) for x in re.search(ROW.format(name), out, re.MULTILINE).groups()]
                   for name in ('plain', 'mmkd'))
    assert ours[2] == pytest.approx(plain[2], rel=0.02 if '--amp' in options else 1e-5)
    if '--amp' not in options:  # at a batch of one, copies of the weights count more than half-size activations
        assert 0 < ours[1] < plain[1]
    time, memory = re.search(r'\n  mmkd / plain: time ([\d.]+), memory ([\d.]+)\n$', out).groups()
    assert float(memory) == pytest.approx(ours[1] / plain[1], rel=0.01)  # of rounded MiB
    assert float(time) == pytest.approx(ours[0] / plain[0], abs=0.006)
