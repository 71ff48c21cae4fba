"""Reading taps of classifiers, detectors and plain modules."""
import pytest
import torch
from torch import nn

from mmkd.analysis.command.models import build_models
from mmkd.analysis.tap_reader import TapReader, block_taps, matching_taps, stage_taps, wide_taps
from mmkd.utils import UserError


def model(name: str) -> nn.Module:
    return build_models([f'{name}=random'])[0].model


@pytest.mark.parametrize(('name', 'stages'), [
    ('quickstart/convnest-mini_digits-5shot.py', 3), ('quickstart/mask-rcnn_convnest-mini_digits.py', 3),
    ('quickstart/upernet_convnest-mini_digits.py', 3), ('vit-tiny-p16', 4), ('timm:vit_tiny_patch16_224', 4)])
def test_stages_are_maps_in_every_family(name, stages):
    net = model(name)
    taps = stage_taps(net)
    assert taps == [f'stage{number}' for number in range(1, stages + 1)]
    reader = TapReader(net, taps)
    size = 224 if 'vit' in name else 64
    for _ in range(2):  # the first pass of a kind goes on to the end of the network
        with torch.no_grad():
            read = reader(torch.rand(2, 3, size, size))
        assert list(read) == taps and all(value.dim() == 4 and len(value) == 2 for value in read.values())


def test_a_tap_outside_of_the_backbone():
    net = model('quickstart/convnest-mini_digits-5shot.py')
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(TapReader(net, ['stage1', 'logits'])(images)['logits'], net(images))


def test_gradients_reach_the_images():
    net = model('quickstart/mask-rcnn_convnest-mini_digits.py')
    images = torch.rand(1, 3, 64, 64, requires_grad=True)
    TapReader(net, ['stage2'])(images)['stage2'].sum().backward()
    assert images.grad.abs().sum() > 0


@pytest.mark.parametrize(('name', 'first', 'last', 'count'), [
    ('convnest-atto', 'backbone.stages.0.0', 'logits', 17), ('vit-tiny-p16', 'backbone.layers.0', 'logits', 14),
    ('convnext-iso-atto', 'backbone.stages.0.0', 'logits', 14),
    ('swin-tiny', 'backbone.stages.0.blocks.0', 'logits', 14), ('timm:resnet18', 'model.layer1.0', 'logits', 10),
    ('quickstart/mask-rcnn_convnest-mini_digits.py', 'backbone.stages.0.0', 'backbone.stages.2.0', 3)])
def test_blocks(name, first, last, count):
    net = model(name)
    taps = block_taps(net)
    assert (taps[0], taps[-1], len(taps)) == (first, last, count)
    assert len(TapReader(net, taps).taps.names) == count


def test_wide_features_of_convnest():
    net = model('convnest-atto')
    taps = wide_taps(net)
    widths = [net.get_submodule(tap).out_channels for tap in taps]
    channels = [value.shape[1] for value in TapReader(net, stage_taps(net))(torch.rand(1, 3, 64, 64)).values()]
    assert widths == [12 * width for width in channels]


def test_no_wide_features():
    with pytest.raises(UserError, match='expect a depthwise convolution in backbone.layer1, it has none'):
        wide_taps(model('resnet18'))


def test_patterns():
    net = model('quickstart/convnest-mini_digits-5shot.py')
    assert matching_taps(net, ['logits', 'backbone.stages.?', 'logits']) == [
        'logits', 'backbone.stages.0', 'backbone.stages.1', 'backbone.stages.2']
    with pytest.raises(UserError, match="--taps expects names or patterns of modules, got 'neck.*'"):
        matching_taps(net, ['neck.*'])


class Odd(nn.Module):
    """Needs 8×8 images, and has a module that returns none."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(192, 3)
        self.nothing = Nothing()

    def forward(self, images):
        self.nothing(images)
        return self.layer(images.flatten(1))


class Nothing(nn.Module):
    def forward(self, images):
        return 'nothing'


def test_what_cannot_be_read():
    with pytest.raises(UserError, match='cannot forward images of 9×9 .*Give another --size'):
        TapReader(Odd(), ['layer'])(torch.rand(1, 3, 9, 9))
    with pytest.raises(UserError, match="the tap 'nothing' expects a tensor, reads a str"):
        TapReader(Odd(), ['nothing'])(torch.rand(1, 3, 8, 8))
    with pytest.raises(UserError, match='expects stages that are known'):
        stage_taps(Odd())


@pytest.mark.parametrize(('text', 'kind'), [('CUDA out of memory', RuntimeError), ('no such memory format', UserError)])
def test_too_little_memory_is_told_from_other_errors(text, kind):
    class Raises(Nothing):
        def forward(self, images):
            raise RuntimeError(text)

    with pytest.raises(kind, match=text) as caught:
        TapReader(nn.Sequential(Raises()), ['0'])(torch.rand(1, 3, 8, 8))
    assert type(caught.value) is kind
