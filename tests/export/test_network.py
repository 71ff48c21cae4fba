import numpy as np
import pytest
import torch
from torch import nn

from mmkd.distillers.models import build_model, read_spec
from mmkd.export.network import ExportedNetwork, InputForm, attends, gives_logits, input_form, merged
from mmkd.export.pictures import as_network_takes
from mmkd.utils import UserError

from .models import FORM, classifier, randomise, smooth_pictures

SLAK = dict(type='mmkd.SLaK', arch=dict(depths=(1, 1), channels=(8, 16)), width_factor=1, kernel_sizes=(13, 7),
            small_kernel=5)


@pytest.mark.parametrize('order', ['RGB', 'BGR'])
@pytest.mark.parametrize('inside', [True, False], ids=['inside', 'outside'])
def test_images_reach_the_model_as_it_was_trained(order, inside):
    """Whoever normalises, RGB pixels come out as the data preprocessor makes them of what OpenMMLab reads, BGR."""
    form = InputForm(FORM.mean, FORM.std, order)
    pictures = smooth_pictures(2, (32, 32))
    preprocessor = build_model(read_spec(dict(
        type='mmpretrain.ImageClassifier', backbone=dict(type='mmpretrain.ResNet', depth=18), data_preprocessor=dict(
            type='mmpretrain.ClsDataPreprocessor', mean=FORM.mean, std=FORM.std, to_rgb=order == 'RGB')),
        'the model'), 'student').data_preprocessor
    model = classifier()
    expected = model(preprocessor(dict(inputs=pictures.flip(1)))['inputs'], mode='tensor')
    got = ExportedNetwork(model, form, inside).eval()(as_network_takes(pictures, form, inside))
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)
    other = ExportedNetwork(model, InputForm(FORM.mean, FORM.std, 'BGR' if order == 'RGB' else 'RGB')).eval()
    assert not torch.allclose(other(pictures), expected, atol=1e-2)


@pytest.mark.parametrize(('to_rgb', 'loaded_rgb', 'order'), [
    (True, False, 'RGB'), (False, False, 'BGR'), (False, True, 'RGB')])
def test_the_order_of_channels(to_rgb, loaded_rgb, order):
    """CIFAR's pictures are RGB in memory, and its configs turn nothing around."""
    cfg = dict(data_preprocessor=dict(mean=[1, 2, 3], std=[4, 5, 6], to_rgb=to_rgb))
    model = build_model(read_spec(dict(
        type='mmpretrain.ImageClassifier', backbone=dict(type='mmpretrain.ResNet', depth=18),
        data_preprocessor=dict(type='mmpretrain.ClsDataPreprocessor', **cfg['data_preprocessor'])), 'm'), 'student')
    assert input_form(model, cfg, loaded_rgb) == InputForm((1, 2, 3), (4, 5, 6), order)


def test_a_model_of_which_nothing_says_how_images_are_normalised():
    with pytest.raises(UserError, match=r'data_preprocessor=dict\(mean='):
        input_form(nn.Sequential(nn.Conv2d(3, 4, 3)), {})
    with pytest.raises(UserError, match='1 or 3 channels, got 5'):
        input_form(nn.Sequential(nn.Conv2d(5, 4, 3)), {})


def test_a_large_kernel_is_merged_in_a_copy():
    network = ExportedNetwork(classifier(**SLAK), FORM).eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    copy = merged(network)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in copy.modules())
    assert any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    pictures = smooth_pictures(2, (64, 64))
    torch.testing.assert_close(copy(pictures), network(pictures), rtol=1e-4, atol=1e-5)


def test_outputs_of_a_backbone():
    backbone = dict(type='mmpretrain.ResNet', depth=18, out_indices=(1, 3))
    model = randomise(build_model(read_spec(backbone, 'the model'), 'student'))
    network = ExportedNetwork(model, FORM).eval()
    pictures = smooth_pictures(2, (64, 64))
    assert network.output_names(pictures) == ['stage2', 'stage4']
    assert [each.shape[2] for each in network(pictures)] == [8, 2]
    assert ExportedNetwork(classifier(), FORM).eval().output_names(pictures) == ['logits']


@pytest.mark.parametrize('model', [
    dict(type='mmpretrain.ImageClassifier', backbone=dict(type='mmpretrain.ResNet', depth=18),
         neck=dict(type='mmpretrain.GlobalAveragePooling')),
    dict(type='mmpretrain.ImageClassifier', backbone=dict(type='mmpretrain.ResNet', depth=18)),
    dict(type='mmpretrain.ConvNeXt', arch=dict(depths=[1, 1], channels=[8, 16]), out_indices=[1]),
    dict(timm='resnet10t', num_classes=0, pretrained=False)], ids=['neck', 'map', 'backbone', 'timm'])
def test_what_no_head_has_classified_are_features(model):
    """Their largest channel is no class: neither agreement nor accuracy is measured of it."""
    model = randomise(build_model(read_spec(model, 'the model'), 'student'))
    assert not gives_logits(model)
    assert ExportedNetwork(model, FORM).eval().output_names(smooth_pictures(2, (64, 64))) == ['features']
    assert gives_logits(classifier())


def test_of_a_detector_the_backbone():
    import mmkd
    model = mmkd.get_model('quickstart/mask-rcnn_convnest-mini_digits.py').eval()
    network = ExportedNetwork(model, FORM).eval()
    pictures = smooth_pictures(1, (96, 96))
    assert network.network is model.backbone
    assert network.output_names(pictures) == ['stage1', 'stage2', 'stage3']
    expected = model.backbone((pictures - network.mean) / network.std)
    assert all(np.array_equal(a.detach(), b.detach()) for a, b in zip(network(pictures), expected, strict=True))


def test_attention_is_seen():
    assert attends(nn.TransformerEncoderLayer(8, 2)) and not attends(classifier())
