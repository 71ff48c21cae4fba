"""The authors' ConvNeXt and torchvision's ResNet under mmpretrain's names."""
import pytest
import torch
from mmpretrain.models import ImageClassifier

from mmkd.utils import UserError
from mmkd.utils.checkpoints.reading import load_strictly
from mmkd.zoo.converters import convert, convnext

BACK = {'backbone.norm3': 'norm', 'backbone.': '', 'head.fc': 'head', 'depthwise_conv': 'dwconv',
        'pointwise_conv': 'pwconv'}


@pytest.mark.parametrize('grn', [False, True])
def test_convnext(grn):
    model = ImageClassifier(
        backbone=dict(type='ConvNeXt', arch=dict(depths=(1, 1, 2, 1), channels=(4, 6, 8, 10)), use_grn=grn,
                      layer_scale_init_value=0. if grn else 1e-6),
        head=dict(type='LinearClsHead', in_channels=10, num_classes=7))
    weights = {}
    for name, value in model.state_dict().items():
        for ours, theirs in BACK.items():
            name = name.replace(ours, theirs)
        weights[name] = value[None, None, None] if '.grn.' in name else value
    converted, family = convert(weights)
    assert family == 'convnext' and not convnext.matches(model.state_dict())
    load_strictly(model, converted, 'ConvNeXt')


def test_resnet():
    model = ImageClassifier(backbone=dict(type='ResNet', depth=50), head=dict(
        type='LinearClsHead', in_channels=2048, num_classes=7))
    torchvision = pytest.importorskip('torchvision.models')
    converted, family = convert(torchvision.resnet50(num_classes=7).state_dict())
    assert family == 'resnet'
    load_strictly(model, converted, 'ResNet')


@torch.no_grad()
def test_resnet_of_cifar():
    """RepDistiller's names are those of our backbone, but for the classifier's."""
    def model() -> ImageClassifier:
        return ImageClassifier(
            backbone=dict(type='mmkd.CIFARResNet', depth=8), neck=dict(type='GlobalAveragePooling'),
            head=dict(type='LinearClsHead', in_channels=64, num_classes=7)).eval()

    first, second = model(), model()
    published = {name.removeprefix('head.').removeprefix('backbone.'): value
                 for name, value in first.state_dict().items()}
    assert {'conv1.weight', 'layer3.0.downsample.1.running_var', 'fc.bias'} < published.keys()
    converted, family = convert(published)
    assert family == 'resnet'
    load_strictly(second, converted, 'ResNet')
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(first(images, mode='tensor'), second(images, mode='tensor'))


def test_unknown_names():
    with pytest.raises(UserError, match="got 'neck.weight'"):
        convnext.convert({'neck.weight': torch.ones(1)})
    assert convert({'neck.weight': torch.ones(1)})[1] is None
