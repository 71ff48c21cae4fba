"""Parameters and FLOPs."""
import logging
import runpy
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from mmkd.analysis import count_complexity, layer_flops
from mmkd.layers import LargeKernelConv2d
from mmkd.utils import UserError

ROOT = Path(__file__).parents[2]


def test_counts_convolutions_and_linear_layers():
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 5, padding=2, groups=4), nn.GELU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))
    flops = {'0.weight': 3 * 8 * 9 * 64, '2.weight': 8 * 2 * 25 * 64, '6.weight': 80}
    assert layer_flops(model, (3, 16, 16)) == flops
    cost = count_complexity(model, (3, 16, 16))
    assert (cost.params, cost.flops) == (sum(param.numel() for param in model.parameters()), sum(flops.values()))


def test_counts_every_use_of_a_layer_and_every_position():
    shared = nn.Linear(4, 4)
    model = nn.Sequential(shared, nn.ReLU(), shared)
    assert layer_flops(model, (5, 6, 4)) == {'0.weight': 2 * 16 * 5 * 6}


def test_counts_the_large_kernel_in_full():
    # Also the taps that the operator need not compute, as the papers do.
    conv = LargeKernelConv2d(4, (5, 51))
    assert layer_flops(conv, (4, 7, 7)) == {'weight': 4 * 5 * 51 * 49}


def test_densities():
    model = nn.Sequential(nn.Linear(10, 20), nn.Linear(20, 5))
    cost = count_complexity(model, (10,), {'0.weight': .25})
    assert (cost.params, cost.flops) == (50 + 20 + 100 + 5, 50 + 100)
    with pytest.raises(UserError, match='Did you mean 0.weight'):
        count_complexity(model, (10,), {'0.weights': .25})


def test_leaves_the_model_alone():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    count_complexity(model, (3, 8, 8))
    assert model.training and model[1].training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not model[0]._forward_hooks


def run_tool(*arguments: str) -> None:
    """Runs the command-line tool in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, 'argv', ['get_flops.py', *arguments])
        try:
            runpy.run_path(str(ROOT / 'tools' / 'analysis_tools' / 'get_flops.py'), run_name='__main__')
        finally:
            logging.disable(logging.NOTSET)


def test_tool(capsys):
    pytest.importorskip('mmpretrain.models')
    config = ROOT / 'configs' / 'convnest' / 'convnest-tiny_32xb128_in1k.py'
    run_tool(str(config), '--sparsity', '0.4', '--sparsity-init', 'uniform')
    lines = [' '.join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[-4:-1] == ['params (M) FLOPs (G)', 'dense 27.34 4.78', 'paper 27 4.8 (ConvNeSt, Table 4)']
    assert lines[-1] == 'non-zero, 40% uniform 16.50 2.87'


def test_tool_with_snip(tmp_path, capsys):
    pytest.importorskip('mmpretrain.models')
    config = tmp_path / 'small.py'
    config.write_text("""model = dict(
        type='mmpretrain.ImageClassifier',
        backbone=dict(type='mmkd.SLaK', arch=dict(depths=(1, 1), channels=(100, 100)), kernel_sizes=(9, 7)),
        head=dict(type='mmpretrain.LinearClsHead', num_classes=1000, in_channels=130))""")
    run_tool(str(config), '--shape', '32', '--sparsity', '0.5', '--draws', '2')
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[-4:]]
    assert [' '.join(row[:-2]) for row in rows] == ['dense', 'non-zero, 50% snip', 'lowest of 2', 'highest of 2']
    dense, mean, lowest, highest = ([float(word) for word in row[-2:]] for row in rows)
    assert mean[0] == pytest.approx(dense[0] / 2, abs=.02)
    assert lowest[1] <= mean[1] <= highest[1] < dense[1]


def test_tool_names_what_is_wrong(capsys):
    with pytest.raises(SystemExit) as stop:
        run_tool('nowhere.py', '--shape', '0')
    assert stop.value.code == 2 and '--shape expects' in capsys.readouterr().err
