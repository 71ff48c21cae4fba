"""Models by name, wherever a recipe takes a model."""
from pathlib import Path

import mmkd
import pytest
import torch
from torch import nn

from mmkd.distillers import Distiller
from mmkd.distillers.models import is_model_name, load_model_config, named_model, read_spec
from mmkd.distillers.teacher import named_teachers
from mmkd.utils import UserError

KD = dict(loss=dict(type='mmkd.KDLoss'), student='logits', teacher='logits')


@pytest.mark.parametrize(('name', 'role', 'written'), [
    ('timm:resnet50', 'teacher', dict(timm='resnet50', pretrained=True)),
    ('timm:resnet50', 'student', dict(timm='resnet50', pretrained=True)),
    ('hf:org/name', 'teacher', dict(hf='org/name')),
    ('convnest-atto', 'student', dict(config='mmkd::_base_/models/convnest-atto.py')),
    ('slak-tiny_in1k', 'teacher', dict(config='mmkd::_base_/models/slak-tiny.py', checkpoint='slak-tiny_in1k')),
    ('convnest-tiny_32xb128_in1k', 'student', dict(config='mmkd::convnest/convnest-tiny_32xb128_in1k.py')),
    ('mmpretrain::resnet/resnet18_8xb32_in1k.py', 'teacher', dict(config='mmpretrain::resnet/resnet18_8xb32_in1k.py')),
    ('mine.py', 'student', dict(config='mine.py')),
])
def test_names_are_written_out(name, role, written):
    assert named_model(name, role) == written


def test_without_weights():
    assert named_model('timm:resnet50', 'student', pretrained=False) == dict(timm='resnet50', pretrained=False)
    assert 'checkpoint' not in named_model('slak-tiny_in1k', 'teacher', pretrained=False)


@pytest.mark.parametrize(('name', 'message'), [
    ('convnest-ato', r"student expects 'timm:NAME', .* got 'convnest-ato'\. Did you mean convnest-atto"),
    ('timm:', "a name after 'timm:', got none"),
])
def test_what_names_nothing(name, message):
    with pytest.raises(UserError, match=message):
        read_spec(name, 'student')


def test_a_path_and_what_is_no_text():
    assert named_model(Path('mine.py'), 'student') == dict(config='mine.py')
    with pytest.raises(UserError, match="get_model expects 'timm:NAME', .* got None"):
        mmkd.get_model(None)


def test_a_distiller_of_names():
    distiller = Distiller(dict(timm='resnet18', pretrained=False), 'convnest-atto', dict(
        at=dict(loss=dict(type='mmkd.ATLoss'), student='stage3', teacher='stage3')), input_size=64)
    assert type(distiller.teachers['teacher'].model.backbone).__name__ == 'ConvNeSt'
    with pytest.raises(UserError, match=r"student expects the name of a timm model, got 'resnet1'"):
        Distiller('timm:resnet1', 'convnest-atto', dict(kd=KD))


def test_several_teachers_and_a_misspelt_key():
    named = named_teachers(dict(a='timm:resnet50', b='convnest-atto'))
    assert [list(each) for each in named.values()] == [['timm', 'pretrained'], ['config']]
    assert named_teachers('convnest-atto') == {'teacher': dict(config='mmkd::_base_/models/convnest-atto.py')}
    assert named_teachers(dict(tim='resnet50')) == {'teacher': dict(tim='resnet50')}
    assert named_teachers(dict(confg='x.py', checkpoint='y.pth')).keys() == {'teacher'}


def test_what_is_a_name():
    assert is_model_name('timm:vit_tiny_patch16_224') and is_model_name('convnest-atto') and is_model_name('a.py')
    assert not is_model_name('resnet') and not is_model_name(nn.Identity()) and not is_model_name('y.pth')


def test_get_model_and_the_tools_take_names():
    with torch.device('meta'):
        assert mmkd.get_model('timm:resnet18', num_classes=5).model.fc.out_features == 5
    assert load_model_config('timm:resnet18').model == dict(
        type='mmpretrain.TimmClassifier', model_name='resnet18', pretrained=False)
    assert load_model_config('convnest-atto', {'model.head.num_classes': 3}).model.head.num_classes == 3
