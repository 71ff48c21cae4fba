"""Listing and getting models."""
import mmkd
import pytest
import torch

from mmkd.apis import get_model, list_models
from mmkd.distillers import Distiller
from mmkd.utils import UserError

RECIPE = 'quickstart/convnest-mini_slak-mini-nkd_digits-5shot.py'


def test_list_models():
    assert {'convnest-tiny_32xb128_in1k', 'slak-tiny_32xb128_in1k'} <= set(list_models())
    assert list_models() == sorted(list_models())
    assert list_models('convnest*') and all(name.startswith('convnest') for name in list_models('convnest*'))
    assert list_models('nothing*') == []


def test_names_at_the_top():
    assert mmkd.get_model is get_model and mmkd.list_models is list_models


def test_by_name_with_an_entry_changed():
    with torch.device('meta'):
        model = get_model('convnest-tiny_32xb128_in1k', **{'model.head.num_classes': 7})
    assert type(model.backbone).__name__ == 'ConvNeSt' and model.backbone.depths == (3, 3, 14, 3)
    assert model.head.fc.out_features == 7


@pytest.mark.parametrize('config', [RECIPE, f'mmkd::{RECIPE}'])
def test_of_a_recipe_the_student_without_teacher(config):
    model = get_model(config)
    assert not isinstance(model, Distiller) and model.training
    assert model(torch.rand(1, 3, 32, 32), mode='tensor').shape == (1, 10)


@pytest.mark.parametrize(('name', 'pretrained', 'message'), [
    ('convnest-tinny_32xb128_in1k', False, 'Did you mean convnest-tiny_32xb128_in1k'),
    ('convnest-tiny_32xb128_in1k', True, 'no published weights yet'),
    (RECIPE, True, 'name of an indexed model with pretrained=True'),
    ('convnest/none.py', False, 'existing file'),
])
def test_mistakes(name, pretrained, message):
    with pytest.raises(UserError, match=message):
        get_model(name, pretrained)
