"""Parameters and FLOPs."""
import logging
import runpy
import sys
from pathlib import Path

import pytest
import torch
from mmengine.registry import MODELS
from torch import nn

from mmkd.analysis import count_complexity, count_layers, layer_flops
from mmkd.distillers.models import student_config
from mmkd.layers import LargeKernelConv2d
from mmkd.utils import UserError
from mmkd.utils.configs.finding import load_config

ROOT = Path(__file__).parents[2]


def test_counts_convolutions_and_linear_layers():
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 5, padding=2, groups=4), nn.GELU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))
    flops = {'0.weight': 3 * 8 * 9 * 64, '2.weight': 8 * 2 * 25 * 64, '6.weight': 80}
    assert layer_flops(model, (3, 16, 16)) == flops
    cost = count_complexity(model, (3, 16, 16))
    assert (cost.params, cost.flops) == (sum(param.numel() for param in model.parameters()), sum(flops.values()))
    assert cost.activations == 8 * 64 + 8 * 64 + 10


def test_counts_transposed_convolutions():
    # Each input position meets each weight of its channel once, whatever padding cuts off.
    model = nn.Sequential(nn.ConvTranspose2d(6, 4, 3, stride=2, padding=1, groups=2), nn.ConvTranspose1d(4, 2, 2))
    counter = count_layers(model[0], (6, 5, 7))
    assert counter.flops == {'weight': 6 * 2 * 9 * 35} and counter.activations == {'weight': 4 * 9 * 13}
    assert count_layers(model[1], (4, 8)).flops == {'weight': 4 * 2 * 2 * 8}


class Attention(nn.Module):
    """Weights used outside of their layers, and nn.MultiheadAttention, by position and by name."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(8, 24, bias=False)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.cross = nn.MultiheadAttention(8, 2, kdim=4, vdim=6, batch_first=True)

    def forward(self, x):
        qkv = nn.functional.linear(x, self.qkv.weight) + nn.functional.linear(x, weight=self.qkv.weight)
        x = self.attention(*qkv.chunk(3, -1))[0]
        return self.cross(query=x, key=x[:, :3, :4], value=x[:, :3, :6])[0]


def test_counts_weights_outside_of_their_layers():
    counter = count_layers(Attention(), (5, 8))
    assert counter.flops == {
        'qkv.weight': 2 * 5 * 8 * 24, 'attention.in_proj_weight': 5 * 8 * 24, 'attention.out_proj.weight': 5 * 64,
        'cross.q_proj_weight': 5 * 64, 'cross.k_proj_weight': 3 * 32, 'cross.v_proj_weight': 3 * 48,
        'cross.out_proj.weight': 5 * 64}
    assert counter.activations == {
        'qkv.weight': 2 * 5 * 24, 'attention.in_proj_weight': 5 * 24, 'attention.out_proj.weight': 5 * 8,
        'cross.q_proj_weight': 5 * 8, 'cross.k_proj_weight': 3 * 8, 'cross.v_proj_weight': 3 * 8,
        'cross.out_proj.weight': 5 * 8}
    assert set(counter.flops) <= {name for name, _ in Attention().named_parameters()}


class LooksAtValues(nn.Linear):
    """Cannot run on the meta device."""

    def forward(self, x):
        return super().forward(x) + x.sum().item()


def test_runs_on_the_cpu_if_it_must():
    assert layer_flops(LooksAtValues(4, 3), (4,)) == {'weight': 12}


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
    assert (cost.params, cost.flops, cost.activations) == (50 + 20 + 100 + 5, 50 + 100, 20 + 5)
    with pytest.raises(UserError, match='Did you mean 0.weight'):
        count_complexity(model, (10,), {'0.weights': .25})
    with pytest.raises(UserError, match=r'on one image of shape \(9,\)'):
        count_complexity(model, (9,))


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
    assert lines == [
        f'{config}, 224x224 (height x width)', 'params (M) FLOPs (G) activations (M)', 'dense 27.34 4.78 31.80',
        'paper 27 4.8 - (ConvNeSt, Table 4)', 'non-zero, 40% uniform 16.50 2.87 31.80']


@pytest.mark.parametrize(('shape', 'title'), [((), '32x32'), (('--shape', '64', '48'), '64x48')])
def test_tool_takes_the_recipes_size(capsys, shape, title):
    pytest.importorskip('mmpretrain.models')
    config = ROOT / 'configs' / 'quickstart' / 'convnest-mini_slak-mini-nkd_digits-5shot.py'
    run_tool(str(config), *shape)
    lines = [' '.join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == f'{config}, {title} (height x width)'
    student = MODELS.build(student_config(load_config(str(config))).model)
    flops = count_complexity(student, (3, *map(int, title.split('x')))).flops
    assert lines[2].split()[2] == f'{flops / 1e9:.2f}'


def test_tool_needs_no_weights(capsys, tmp_path):
    pytest.importorskip('mmpretrain.models')
    config = tmp_path / 'pretrained.py'
    config.write_text(f"_base_ = '{ROOT}/configs/quickstart/convnest-mini_digits-5shot.py'\n"
                      'model = dict(backbone=dict(init_cfg=dict(\n'
                      "    type='Pretrained', checkpoint='nowhere.pth', prefix='backbone.', _delete_=True)))\n")
    run_tool(str(config), '--shape', '32', '--sparsity', '0.4', '--draws', '1')
    assert 'non-zero, 40% snip' in capsys.readouterr().out


def test_tool_counts_a_detector_at_the_papers_size(capsys):
    pytest.importorskip('mmdet')
    run_tool(str(ROOT / 'configs' / 'convnest' / 'mask-rcnn_convnest-tiny_fpn_3x_coco.py'))
    lines = [' '.join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[0].endswith('800x1280 (height x width)')
    assert lines[2:] == ['dense 47.05 267.07 764.45', 'paper - 268 - (ConvNeSt, Table 5)']


def test_tool_with_snip(tmp_path, capsys):
    pytest.importorskip('mmpretrain.models')
    config = tmp_path / 'small.py'
    config.write_text("""model = dict(
        type='mmpretrain.ImageClassifier',
        backbone=dict(type='mmkd.SLaK', arch=dict(depths=(1, 1), channels=(100, 100)), kernel_sizes=(9, 7)),
        head=dict(type='mmpretrain.LinearClsHead', num_classes=1000, in_channels=130))""")
    run_tool(str(config), '--shape', '32', '--sparsity', '0.5', '--draws', '2')
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[-4:]]
    assert [' '.join(row[:-3]) for row in rows] == ['dense', 'non-zero, 50% snip', 'lowest of 2', 'highest of 2']
    dense, mean, lowest, highest = ([float(word) for word in row[-3:]] for row in rows)
    assert mean[0] == pytest.approx(dense[0] / 2, abs=.02)
    assert lowest[1] <= mean[1] <= highest[1] < dense[1] and mean[2] == dense[2]


def test_tool_names_what_is_wrong(capsys):
    with pytest.raises(SystemExit) as stop:
        run_tool('nowhere.py', '--shape', '0')
    assert stop.value.code == 2 and '--shape expects' in capsys.readouterr().err
