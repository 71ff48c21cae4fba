"""The tap ``patches``: the image's tokens after the last norm, as a map, and no other token in it."""
import pytest
import timm
import torch
from mmengine.registry import MODELS
from torch import Tensor, nn

from mmkd.distillers.taps import Taps, named_locations

SMALL = dict(num_classes=0, depth=2, embed_dim=24, num_heads=2)
MARK = 1e4


def marked(model: nn.Module, prefix: int) -> nn.Module:
    """Lets the last norm mark each token: a class or register token by a large number, the others by their position."""
    def mark(module: nn.Module, inputs: tuple, tokens: Tensor) -> Tensor:
        numbers = torch.arange(tokens.shape[1], dtype=tokens.dtype) - prefix
        numbers[:prefix] = MARK
        return numbers[None, :, None].expand(tokens.shape).contiguous()

    model.norm.register_forward_hook(mark)
    return model


@pytest.mark.parametrize(('name', 'prefix', 'options'), [
    ('vit_small_patch14_dinov2', 1, dict(img_size=56)), ('vit_base_patch14_reg4_dinov2', 5, dict(img_size=56)),
    ('vit_small_patch16_dinov3', 5, dict(img_size=64, global_pool='token')),
    ('vit_base_patch16_clip_224', 1, dict(img_size=64)), ('vit_base_patch16_siglip_224', 0, dict(img_size=64))])
@pytest.mark.parametrize('wrapped', [False, True])
def test_no_class_or_register_token_is_in_the_map(name, prefix, options, wrapped):
    if wrapped:
        model = MODELS.build(dict(type='mmpretrain.TimmClassifier', model_name=name, **SMALL, **options)).eval()
        marked(model.model, prefix)
    else:
        model = marked(timm.create_model(name, **SMALL, **options).eval(), prefix)
    side = options['img_size'] // (14 if 'patch14' in name else 16)
    with torch.no_grad():
        _, read = Taps(model, ['patches', 'pre_logits']).read(model, torch.rand(2, 3, *[options['img_size']] * 2))
    expected = torch.arange(float(side * side)).view(side, side)  # row by row
    assert torch.equal(read['patches'], expected.expand(2, 24, side, side))
    assert read['pre_logits'].shape == (2, 24)


@pytest.mark.parametrize(('name', 'options'), [
    ('vit_small_patch14_dinov2', dict(img_size=56)),
    ('vit_small_patch16_dinov3', dict(img_size=64, global_pool='token')),
    ('vit_base_patch16_clip_224', dict(img_size=64)), ('vit_base_patch16_siglip_224', dict(img_size=64))])
def test_values_are_those_of_the_network(name, options):
    """``pre_logits`` is what the network pools: the class token, or SigLIP's attention pool."""
    torch.manual_seed(0)
    network = timm.create_model(name, **SMALL, **options).eval()
    images = torch.rand(2, 3, *[options['img_size']] * 2)
    with torch.no_grad():
        _, read = Taps(network, ['patches', 'pre_logits']).read(network, images)
        tokens = network.forward_features(images)
        assert torch.equal(read['pre_logits'], network(images))
    assert torch.equal(read['patches'].flatten(2).transpose(1, 2), tokens[:, network.num_prefix_tokens:])
    if 'siglip' not in name:
        assert torch.equal(read['pre_logits'], tokens[:, 0])


def test_images_that_are_not_square():
    network = timm.create_model('vit_small_patch14_dinov2', **SMALL, img_size=56, dynamic_img_size=True).eval()
    with torch.no_grad():
        _, read = Taps(network, ['patches']).read(network, torch.rand(1, 3, 56, 112))
    assert read['patches'].shape == (1, 24, 4, 8)


def test_of_mmpretrain_and_torchvision():
    arch = dict(embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=32)
    model = nn.Module()
    model.backbone = MODELS.build(dict(type='mmpretrain.VisionTransformer', arch=arch, img_size=32, patch_size=16,
                                       out_type='featmap'))
    model.eval()
    images = torch.rand(1, 3, 32, 32)
    output, read = Taps(model, ['patches']).read(model.backbone, images)
    assert torch.equal(read['patches'], output[0])
    torchvision = pytest.importorskip('torchvision')
    network = torchvision.models.VisionTransformer(32, 16, 2, 2, 16, 32).eval()
    _, read = Taps(network, ['patches', 'pre_logits']).read(network, images)
    assert read['patches'].shape == (1, 16, 2, 2)


def test_networks_without_such_tokens_have_none():
    for name in ('resnet18', 'convnext_atto', 'swin_tiny_patch4_window7_224'):
        assert 'patches' not in named_locations(timm.create_model(name))
    backbone = nn.Module()
    backbone.backbone = MODELS.build(dict(type='mmkd.ConvNeSt', arch='atto'))
    assert 'patches' not in named_locations(backbone)
