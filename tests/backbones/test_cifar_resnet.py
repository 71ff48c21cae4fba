"""The CIFAR ResNets: sizes of the literature, outputs, names of parameters, gradients and mistakes."""
import pytest
import torch
from mmengine.registry import MODELS
from torch import nn

from mmkd.backbones import CIFARResNet
from mmkd.utils import UserError

WIDE = (32, 64, 128, 256)


@pytest.mark.parametrize(('depth', 'channels', 'millions'), [
    (20, (16, 16, 32, 64), '0.28'), (56, (16, 16, 32, 64), '0.86'), (8, WIDE, '1.23'), (32, WIDE, '7.43')])
def test_parameters_with_a_head_of_100_classes(depth, channels, millions):
    backbone = CIFARResNet(depth, channels)
    head = nn.Linear(channels[-1], 100)
    count = sum(p.numel() for module in (backbone, head) for p in module.parameters())
    assert f'{count / 1e6:.2f}' == millions
    convolutions = [m for m in backbone.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)]
    assert len(convolutions) + 1 == depth  # the head counts as a layer, projections do not


def test_outputs():
    backbone = MODELS.build(dict(type='mmkd.CIFARResNet', depth=8, out_indices=(0, 1, 2))).eval()
    outputs = backbone(torch.rand(2, 3, 32, 32))
    assert [tuple(x.shape) for x in outputs] == [(2, 16, 32, 32), (2, 32, 16, 16), (2, 64, 8, 8)]
    assert all((x >= 0).all() for x in outputs)  # after the last ReLU
    [last] = CIFARResNet(8, out_indices=(2,))(torch.rand(2, 3, 32, 32))
    assert last.shape == (2, 64, 8, 8)


def test_parameters_are_named_as_in_the_literatures_checkpoints():
    names = set(CIFARResNet(14).state_dict())
    assert {'conv1.weight', 'bn1.running_mean', 'layer1.0.conv1.weight', 'layer1.1.bn2.bias',
            'layer2.0.downsample.0.weight', 'layer3.0.downsample.1.running_var'} <= names
    assert not any(name.startswith('layer1.0.downsample') for name in names)


def test_trains():
    backbone = CIFARResNet(8)
    backbone.init_weights()
    backbone(torch.rand(2, 3, 32, 32))[0].sum().backward()
    assert [name for name, p in backbone.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize(('arguments', 'message'), [
    (dict(depth=18), r'depth of 6n \+ 2, got 18. Take 8, 14'), (dict(depth=2), 'got 2'),
    (dict(depth=8, channels=(16, 32, 64)), r'stem and three stages, got \(16, 32, 64\)'),
    (dict(depth=8, out_indices=(3,)), r'among 0, 1, 2, got \(3,\)'), (dict(depth=8, out_indices=()), r'got \(\)')])
def test_mistakes(arguments, message):
    with pytest.raises(UserError, match=message):
        CIFARResNet(**arguments)
