"""The named taps of torchvision's and timm's networks, and of modules that one writes."""
import pytest
import torch
from torch import nn

from mmkd.distillers.taps import Taps, named_locations

MAPS = dict(
    resnet18=(56, 28, 14, 7), convnext_tiny=(56, 28, 14, 7), efficientnet_b0=(56, 28, 14, 7),
    mobilenet_v3_small=(56, 28, 14, 7), swin_t=(56, 28, 14, 7), vit_b_32=(7, 7, 7, 7), regnet_y_400mf=(56, 28, 14, 7))


def read(model: nn.Module, size: int = 224) -> dict:
    with torch.no_grad():
        return Taps(model, list(named_locations(model))).read(model, torch.rand(1, 3, size, size))[1]


@pytest.mark.parametrize('name', MAPS)
def test_torchvision(name):
    torchvision = pytest.importorskip('torchvision')
    values = read(getattr(torchvision.models, name)(weights=None, num_classes=6).eval())
    assert tuple(values[f'stage{i}'].shape[2] for i in range(1, 5)) == MAPS[name]
    assert all(values[f'stage{i}'].dim() == 4 for i in range(1, 5))
    assert values['logits'].shape == (1, 6) and values['pre_logits'].dim() == 2


def test_networks_of_bare_convolutions_have_no_stages():
    torchvision = pytest.importorskip('torchvision')
    assert list(named_locations(torchvision.models.squeezenet1_1(weights=None))) == ['logits', 'output']


@pytest.mark.parametrize(('name', 'sides'), [('convnext_atto', (56, 28, 14, 7)), ('vit_tiny_patch16_224', (14, ) * 4)])
def test_timm(name, sides):
    timm = pytest.importorskip('timm')
    values = read(timm.create_model(name, num_classes=6).eval())
    assert tuple(values[f'stage{i}'].shape[2] for i in range(1, 5)) == sides
    assert values['logits'].shape == (1, 6) and values['pre_logits'].shape[1] == values['stage4'].shape[1]


def test_a_backbone_of_mmpretrain():
    from mmpretrain.models import ConvNeXt
    values = read(ConvNeXt('atto', out_indices=(1, 3), gap_before_final_norm=False), 64)
    assert [values[f'stage{i}'].shape[2] for i in range(1, 5)] == [16, 8, 4, 2]
    assert [tuple(x.shape) for x in values['output']] == [(1, 80, 8, 8), (1, 320, 2, 2)]


def test_what_ends_otherwise_than_with_a_linear_layer_has_no_pre_logits():
    assert list(named_locations(nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4)))) == ['logits', 'output']
    values = Taps(nn.Sequential(nn.Linear(3, 4)), ['pre_logits'])
    assert values.locations['pre_logits'].module == '0'


def test_inputs_by_keyword():
    class Keywords(nn.Module):
        """Calls its classifier by the name of its argument."""

        def __init__(self) -> None:
            super().__init__()
            self.conv, self.fc = nn.Conv2d(3, 8, 3), nn.Linear(8, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(input=self.conv(x).mean((2, 3)))

    model, x = Keywords(), torch.rand(2, 3, 8, 8)
    _, read = Taps(model, ['pre_logits', 'fc@input']).read(model, x)
    expected = model.conv(x).mean((2, 3))
    assert torch.equal(read['pre_logits'], expected) and torch.equal(read['fc@input'], expected)
