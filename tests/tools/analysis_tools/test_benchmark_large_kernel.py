"""The benchmark prints every table, draws, and measures memory and error truly."""
from importlib import import_module

import pytest
import torch
from torch.nn import functional as F

from mmkd.benchmarks.large_kernel_speed import Case, Timing, conv2d_branches, relative_error
from mmkd.benchmarks.timing import peak_bytes
from mmkd.utils import UserError

from ..conftest import TOOLS


@pytest.fixture
def tool(monkeypatch):
    monkeypatch.syspath_prepend(TOOLS / 'analysis_tools')
    return import_module('benchmark_large_kernel')


def test_prints_tables_and_draws(tool, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(tool, 'stages', lambda name: [(8, 14, ((13, 3), (3, 13), (3, 3)))])
    monkeypatch.setattr(tool, 'KERNEL_SIZES', (3, 9))
    monkeypatch.setattr(tool, 'MAP_SIZES', (7, 9))
    monkeypatch.setattr('sys.argv', ['benchmark', '--parts', 'branches', 'stages', 'plot', '--models', 'slak-tiny',
                                     '--batch-sizes', '4', '--rounds', '1', '--plot', str(tmp_path / 'new/plot.png')])
    tool.main()
    printed = capsys.readouterr().out
    assert '| slak-tiny stage 1, batch 4, 13×3 | training |' in printed and 'geometric mean' in printed
    assert '| slak-tiny stage 1, batch 4 |' in printed
    assert (tmp_path / 'new/plot.png').stat().st_size > 10_000


def test_sizes_are_those_of_the_model(tool):
    first = tool.stages('slak-tiny')[0]
    assert first == (124, 56, ((51, 5), (5, 51), (5, 5))) and len(tool.stages('slak-tiny')) == 4
    with pytest.raises(UserError, match='large kernels'):
        tool.stages('resnet50_in1k')


def test_ratio_is_of_medians():
    timing = Timing(Case('', (1, 1, 1, 1), (), False), dict(mmkd=[1., 2., 4.], a=[3., 8., 4.], b=[2., 9., 40.]))
    assert timing.ratio(['a', 'b']) == 2 and timing.ratio(['b']) == 4.5 and timing.median('a') == 4000
    timing.seconds['b'] = [8.]  # too slow to be run again
    assert timing.ratio(['b']) == 4 and timing.ratio(['a', 'b']) == 2


def test_error_is_seen():
    case = Case('', (2, 3, 9, 9), ((5, 5),), True)

    def wrong(maps, weights):
        return [1.001 * out for out in conv2d_branches(maps, weights)]

    assert relative_error(case, conv2d_branches, torch.contiguous_format) < 1e-6
    assert relative_error(case, wrong, torch.contiguous_format) == pytest.approx(1e-3, rel=1e-2)


def test_peak_memory_counts_what_is_held_at_once():
    numbers = torch.zeros(2**20)

    def run():
        one = numbers + 1
        two = F.relu(one)
        del one
        two.exp()

    assert 2 * 2**22 <= peak_bytes(run, 'cpu') < 2.1 * 2**22
