"""The last stage of a model as a function of the map before it.

Every comparison is between what the function returns for the map that the tap of the last stage but one reads, and
what the tap of the last stage reads in the same forward pass. Where there are class tokens, that pass is one without
them in the last blocks (or with the stand-in that the function documents): a hook takes them away before the first of
these blocks and another puts zeros in their place after the last.
"""
import copy

import pytest
import torch

import mmkd.backbones  # noqa: F401
from mmkd.distillers.parts.last_stage import last_stage
from mmkd.distillers.taps import Taps, named_locations
from mmkd.utils import UserError

LAYERS = dict(embed_dims=16, num_layers=8, num_heads=2, feedforward_channels=32)
SWIN = dict(embed_dims=8, depths=[1, 1, 1, 2], num_heads=[1, 1, 2, 2])


def classifier(**backbone):
    from mmpretrain.registry import MODELS
    torch.manual_seed(0)
    model = MODELS.build(dict(type='mmpretrain.ImageClassifier', backbone=backbone))
    for parameter in model.parameters():  # no layer scale or position bias that is next to nothing
        parameter.data.normal_(std=0.3)
    return model.eval()


def timm_classifier(name, **kwargs):
    from mmpretrain.registry import MODELS
    torch.manual_seed(0)
    return MODELS.build(dict(type='mmpretrain.TimmClassifier', model_name=name, **kwargs)).eval()


def last_two_stages(model, side):
    names = [name for name in named_locations(model) if name.startswith('stage')][-2:]
    images = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        _, tensors = Taps(model, names).read(model, images, mode='tensor')
    return [tensors[name] for name in names]


def check(model, side):
    before, last = last_two_stages(model, side)
    assert before.dim() == last.dim() == 4
    function = last_stage(model)
    with torch.no_grad():
        torch.testing.assert_close(function(before), last)
        assert not torch.allclose(function(before + 0.1), last)
    assert copy.deepcopy(function) is function


@pytest.mark.parametrize('backbone', [
    dict(type='mmpretrain.ResNet', depth=18, base_channels=8, stem_channels=8),
    dict(type='mmpretrain.ResNet_CIFAR', depth=18, base_channels=8, stem_channels=8),
    dict(type='mmpretrain.ConvNeXt', arch=dict(depths=[1, 1, 1, 2], channels=[8, 16, 24, 32])),
    dict(type='mmkd.ConvNeSt', arch=dict(depths=[1, 1, 2], channels=[8, 12, 16])),
    dict(type='mmkd.ConvNeSt', arch=dict(depths=[6], channels=[8]), structure='isotropic'),
    dict(type='mmkd.SLaK', arch=dict(depths=[1, 1, 1], channels=[8, 12, 16]), kernel_sizes=(9, 9, 7)),
    dict(type='mmkd.CSWinTransformer', arch=dict(depths=[1, 1, 1, 1], channels=[8, 16, 32, 64], heads=[2, 2, 4, 4],
                                                 stripe_widths=[1, 2, 2])),
    dict(type='mmpretrain.SwinTransformer', arch=SWIN, img_size=64, window_size=2),
    dict(type='mmpretrain.SwinTransformer', arch=SWIN, img_size=64, window_size=2, out_after_downsample=True),
    dict(type='mmpretrain.SwinTransformerV2', arch=SWIN | dict(extra_norm_every_n_blocks=0), img_size=64,
         window_size=[4, 4, 4, 2]),
    dict(type='mmpretrain.MlpMixer', arch=dict(embed_dims=16, num_layers=8, tokens_mlp_dims=8, channels_mlp_dims=32),
         img_size=64),
    dict(type='mmpretrain.VisionTransformer', arch=LAYERS, img_size=64, with_cls_token=False, out_type='featmap'),
    dict(type='mmpretrain.BEiTViT', arch=LAYERS, img_size=64, with_cls_token=False, out_type='featmap',
         use_abs_pos_emb=True, use_rel_pos_bias=False),
    dict(type='mmpretrain.ViTEVA02', arch=LAYERS, img_size=64, with_cls_token=False, out_type='featmap'),
], ids=lambda backbone: backbone['type'])
def test_equals_the_pass_of_the_model(backbone):
    check(classifier(**backbone), 64)


@pytest.mark.parametrize(('name', 'options', 'side'), [
    ('resnet18', dict(), 64),
    ('convnext_atto', dict(), 64),
    ('swin_tiny_patch4_window7_224', dict(img_size=64, window_size=4, embed_dim=24), 64),
    ('swinv2_tiny_window8_256', dict(img_size=64, window_size=4, embed_dim=24), 64),
    ('vit_tiny_patch16_224', dict(img_size=64, embed_dim=24, class_token=False, global_pool='avg'), 64),
    ('mixer_s32_224', dict(img_size=128), 128),
])
def test_equals_the_pass_of_timms_model(name, options, side):
    check(timm_classifier(name, **options), side)


def without_class_token(blocks, extra, stand_in):
    """Hooks the blocks so that they run without class tokens, or with the tokens' mean in their place."""
    def replace(module, args):
        tokens = args[0][:, extra:]
        return torch.cat([tokens.mean(1, keepdim=True), tokens], 1) if stand_in else tokens, *args[1:]

    def restore(module, args, output):
        output = output[:, 1:] if stand_in else output
        return torch.cat([output.new_zeros(len(output), extra, output.shape[2]), output], 1)

    blocks[0].register_forward_pre_hook(replace)
    blocks[-1].register_forward_hook(restore)


@pytest.mark.parametrize(('backbone', 'extra', 'stand_in'), [
    (dict(type='mmpretrain.VisionTransformer', arch=LAYERS, img_size=64), 1, False),
    (dict(type='mmpretrain.DistilledVisionTransformer', arch=LAYERS, img_size=64), 2, False),
    (dict(type='mmpretrain.BEiTViT', arch=LAYERS, img_size=64, use_abs_pos_emb=True, use_rel_pos_bias=False), 1, False),
    (dict(type='mmpretrain.BEiTViT', arch=LAYERS, img_size=64, use_rel_pos_bias=True), 1, True),
    (dict(type='mmpretrain.BEiTViT', arch=LAYERS, img_size=64, use_rel_pos_bias=False, use_shared_rel_pos_bias=True),
     1, True),
    (dict(type='mmpretrain.ViTEVA02', arch=LAYERS, img_size=64), 1, True),
], ids=lambda value: value['type'] if isinstance(value, dict) else str(value))
def test_runs_without_class_tokens(backbone, extra, stand_in):
    model = classifier(**backbone)
    before, with_class_token = last_two_stages(model, 64)
    changed = copy.deepcopy(model)
    without_class_token(changed.backbone.layers[6:], extra, stand_in)
    expected_before, expected = last_two_stages(changed, 64)
    torch.testing.assert_close(expected_before, before)
    with torch.no_grad():
        out = last_stage(model)(before)
    torch.testing.assert_close(out, expected)
    assert not torch.allclose(out, with_class_token)


def test_gradient_reaches_the_map_only():
    model = classifier(type='mmpretrain.ResNet', depth=18, base_channels=8, stem_channels=8).requires_grad_(False)
    maps = torch.randn(2, 32, 4, 4, requires_grad=True)
    last_stage(model)(maps).square().sum().backward()
    assert maps.grad.abs().sum() > 0 and all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize(('backbone', 'found'), [
    (dict(type='mmpretrain.MobileNetV2'), r'mobilenet_v2\.MobileNetV2 with 4'),
    (dict(type='mmpretrain.LeNet5'), r'lenet\.LeNet5 with 0'),
    (dict(type='mmkd.ConvNeSt', arch=dict(depths=[1], channels=[8])), r'ConvNeSt with 1'),
])
def test_other_models_are_an_error(backbone, found):
    with pytest.raises(UserError, match=f'ConvNeXts, Swins.*got mm.*{found}'):
        last_stage(classifier(**backbone))
