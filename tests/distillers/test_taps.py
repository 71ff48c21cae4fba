"""Resolving and reading taps."""
import pytest
import torch
from mmengine.registry import MODELS
from mmkd.distillers import Taps
from mmkd.distillers.taps import named_locations
from mmkd.utils import UserError

from .conftest import classifier


def test_names_of_a_classifier_in_forward_order():
    model = MODELS.build(classifier(8))
    assert list(named_locations(model)) == ['stage1', 'stage2', 'stage3', 'stage4', 'pre_logits', 'logits']


def test_values():
    model = MODELS.build(classifier(8)).eval()
    taps = Taps(model, ['stage1', 'pre_logits', 'logits', 'backbone.stages.1.0', 'backbone'])
    logits = model(torch.rand(2, 3, 32, 32))
    read = taps.take()
    assert torch.equal(read['logits'], logits)
    assert taps.take() == {}
    torch.testing.assert_close(model.head.fc(read['pre_logits']), logits)
    assert read['stage1'].shape == (2, 8, 8, 8) and read['backbone.stages.1.0'].shape == (2, 16, 4, 4)
    assert read['backbone'].shape == (2, 16)  # a tuple of one tensor is unpacked


@pytest.mark.parametrize(('config', 'shapes'), [
    (dict(type='mmpretrain.ResNet', depth=18), [(64, 8, 8), (128, 4, 4), (256, 2, 2), (512, 1, 1)]),
    (dict(type='mmpretrain.SwinTransformer', arch='tiny', img_size=32, window_size=2, pad_small_map=True),
     [(64, 96), (16, 192), (4, 384), (1, 768)]),  # tokens (L, C)
])
def test_stages_of_other_families(config, shapes):
    model = torch.nn.Module()
    model.backbone = MODELS.build(config)
    model.eval()
    names = [f'stage{i}' for i in range(1, 5)]
    taps = Taps(model, names)
    model.backbone(torch.rand(1, 3, 32, 32))
    read = taps.take()
    assert [tuple(read[name].shape[1:]) for name in names] == shapes


def test_timm_models():
    pytest.importorskip('timm')
    model = MODELS.build(dict(type='mmpretrain.TimmClassifier', model_name='resnet10t', num_classes=7)).eval()
    taps = Taps(model, ['stage1', 'stage4', 'pre_logits', 'logits'])
    logits = model(torch.rand(1, 3, 64, 64))
    read = taps.take()
    assert read['stage1'].shape[2:] == (16, 16) and read['stage4'].shape[2:] == (2, 2)
    assert torch.equal(read['logits'], logits) and read['pre_logits'].shape == (1, 512)


def test_unknown_taps_list_the_nearest():
    model = MODELS.build(classifier(8))
    with pytest.raises(UserError, match=r"ImageClassifier has no tap 'stage5'. Did you mean stage\d"):
        Taps(model, ['stage5'])
    with pytest.raises(UserError, match='backbone.stages.1.0, '):
        Taps(model, ['backbone.stages.1.00'])
