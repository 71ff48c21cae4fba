"""Where the features of models of all kinds are read, and how they are pooled."""
import pytest
import torch
from torch import nn

from mmkd.distillers.taps import Taps
from mmkd.engine.features import PooledFeatures, default_tap
from mmkd.registry import MODELS
from mmkd.utils import UserError

from ..distillers.conftest import classifier


class Tower(nn.Module):
    """A plain module without a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 4, 4)
        self.norm = nn.BatchNorm2d(6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(self.conv(x))


def test_where_features_are_read():
    def build(**changes):
        return MODELS.build(dict(classifier(8, classes=3), **changes))

    vit = build(backbone=dict(type='mmpretrain.VisionTransformer', img_size=32, patch_size=8, arch=dict(
        embed_dims=24, num_layers=4, num_heads=2, feedforward_channels=24)),
        head=dict(type='mmpretrain.VisionTransformerClsHead', num_classes=3, in_channels=24))
    timm = MODELS.build(dict(type='mmpretrain.TimmClassifier', model_name='resnet18', num_classes=3))
    models = dict(convnext=build(), headless=build(head=None), tower=Tower(), vit=vit.eval(), timm=timm.eval())
    assert {name: default_tap(model) for name, model in models.items()} == dict(
        convnext='pre_logits', headless='stage4', tower='output', vit='pre_logits', timm='pre_logits')
    images = torch.rand(2, 3, 32, 32)
    widths = {name: PooledFeatures(model.eval()).read(images).shape for name, model in models.items()}
    assert widths == dict(convnext=(2, 16), headless=(2, 16), tower=(2, 6), vit=(2, 24), timm=(2, 512))
    with torch.no_grad():
        tokens = vit.backbone.layers[-1].register_forward_hook(lambda *args: kept.append(args[-1]))
        kept = []
        vit(images)
        tokens.remove()
        torch.testing.assert_close(PooledFeatures(vit, 'stage4').read(images), kept[0][:, 1:].mean(1))
        torch.testing.assert_close(PooledFeatures(vit).read(images), vit.backbone(images)[-1])  # the class token
        torch.testing.assert_close(PooledFeatures(models['tower']).read(images), models['tower'](images).mean((2, 3)))


def test_a_reader_leaves_nothing_behind():
    tower = Tower().eval()
    features = PooledFeatures(tower)
    features.read(torch.rand(1, 3, 8, 8))
    features.close()
    assert not tower._forward_hooks and isinstance(Taps(tower, ['output']), Taps)
    assert features.read(torch.rand(3, 3, 8, 8)).shape == (3, 6)  # and can be used again


def test_what_is_no_feature():
    maps = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Flatten(0, 1)).eval()
    with pytest.raises(UserError, match="vector of each of 2 images at the tap '1' of the Sequential, got shape"):
        PooledFeatures(maps, '1').read(torch.rand(2, 3, 4, 4))
