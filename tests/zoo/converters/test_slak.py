"""The authors' SLaK under our names: any branch, classifier or detector."""
import re

import pytest
import torch
from mmpretrain.models import ImageClassifier

from mmkd.utils import UserError
from mmkd.utils.checkpoints.architecture import contradictions, settings_of
from mmkd.utils.checkpoints.reading import load_strictly
from mmkd.zoo.converters import convert, slak

ARCH = dict(depths=(1, 1, 2, 1), channels=(4, 6, 8, 10), kernel_sizes=(13, 11, 9, 7))
THEIRS = {'vertical': 'LoRA1', 'horizontal': 'LoRA2', 'small': 'small_conv', 'large': 'lkb_origin'}


def classifier(**kwargs) -> ImageClassifier:
    return ImageClassifier(
        backbone=dict(type='mmkd.SLaK', arch=ARCH | kwargs.pop('arch', {}), width_factor=1.) | kwargs,
        head=dict(type='LinearClsHead', in_channels=10, num_classes=7))


def published(model: ImageClassifier, names: dict[str, str] = THEIRS) -> dict[str, torch.Tensor]:
    """The model's weights as the authors' code names them."""
    def rename(name: str) -> str:
        name = re.sub(r'large_kernel\.(\w+)\.', lambda match: f'large_kernel.{names[match[1]]}.', name)
        return name.removeprefix('backbone.').replace('norm3.', 'norm.').replace('head.fc.', 'head.')
    return {rename(name): value for name, value in model.state_dict().items()}


@pytest.mark.parametrize('kwargs', [
    dict(), dict(decomposed=False), dict(decomposed=False, small_kernel=None), dict(branch_norm_cfg=None)])
@pytest.mark.parametrize('names', [THEIRS, THEIRS | dict(vertical='Decom1', horizontal='Decom2')])
def test_classifier(kwargs, names):
    model = classifier(**kwargs)
    weights = published(model, names)
    assert slak.matches(weights) and not slak.matches(model.state_dict())
    converted, family = convert(weights)
    assert family == 'slak'
    report = load_strictly(classifier(**kwargs), converted, 'SLaK')
    assert report == f'SLaK: {len(weights)} of {len(weights)} tensors matched'
    assert all(torch.equal(value, converted[name]) for name, value in model.state_dict().items())


def test_merged_kernels():
    model = classifier(decomposed=False)
    model.backbone.switch_to_deploy()
    weights = {name.replace('lkb_origin.conv', 'lkb_reparam'): value for name, value in published(model).items()}
    converted, _ = convert(weights)
    load_strictly(classifier(decomposed=False, deploy=True), converted, 'SLaK')


def test_detector_keeps_its_other_names():
    weights = {f'backbone.{name}': value for name, value in published(classifier()).items()
               if not name.startswith(('head.', 'norm.'))}
    weights |= {'backbone.norm0.weight': torch.ones(4), 'neck.lateral_convs.0.conv.weight': torch.ones(2)}
    converted, family = convert(weights)
    assert family == 'slak' and {'backbone.norm0.weight', 'neck.lateral_convs.0.conv.weight',
                                 'backbone.stages.0.0.large_kernel.vertical.bn.weight'} < converted.keys()


def test_settings_and_contradictions():
    weights, _ = convert(published(classifier()))
    assert settings_of(weights) == dict(
        depths=(1, 1, 2, 1), channels=(4, 6, 8, 10), kernel_sizes=(13, 11, 9, 7), small_kernel=5,
        branches='horizontal, small, vertical', branch_norms=True, num_classes=7)
    other = classifier(arch=dict(kernel_sizes=(15, 11, 9, 7)), branch_norm_cfg=None)
    with pytest.raises(UserError, match=r'kernel_sizes is \(13, 11, 9, 7\) in the checkpoint and \(15, 11, 9, 7\) in '
                                        r'the model, branch_norms is True in the checkpoint and False in the model'):
        load_strictly(other, weights, 'SLaK')
    assert contradictions(weights, weights) == ''


def test_unknown_names():
    with pytest.raises(UserError, match='got .stages.0.0.large_kernel.LoRA3.conv.weight'):
        slak.convert({'stages.0.0.large_kernel.LoRA3.conv.weight': torch.ones(1)})
    with pytest.raises(UserError, match="got 'fpn"):
        slak.convert({'fpn.weight': torch.ones(1)})
