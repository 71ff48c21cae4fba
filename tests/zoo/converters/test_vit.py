"""Vision transformers of timm under mmpretrain's names: all of them, with the same outputs."""
import pytest
import torch
from mmengine.registry import MODELS, DefaultScope

from mmkd.utils import UserError
from mmkd.utils.configs import load_config
from mmkd.zoo.converters import convert

timm = pytest.importorskip('timm')


@pytest.mark.parametrize(('name', 'config'), [('vit_tiny_patch16_224', 'vit-tiny-p16'),
                                              ('deit_tiny_patch16_224', 'deit-tiny')])
def test_the_same_logits(name, config):
    torch.manual_seed(0)
    published = timm.create_model(name).eval()
    for parameter in published.parameters():
        torch.nn.init.normal_(parameter, std=.05)
    weights, family = convert(published.state_dict())
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build(load_config(f'_base_/models/{config}.py').model).eval()
    model.load_state_dict(weights, strict=True)
    assert family == 'vit'
    images = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        torch.testing.assert_close(model.head(model.extract_feat(images)), published(images), rtol=1e-4, atol=1e-4)


def test_others_are_left_alone():
    distilled = timm.create_model('deit_tiny_distilled_patch16_224').state_dict()
    assert convert(distilled) == (distilled, None)
    beit = timm.create_model('beitv2_base_patch16_224').state_dict()
    assert convert(beit)[1] is None


def test_an_unknown_name():
    weights = timm.create_model('vit_tiny_patch16_224').state_dict()
    with pytest.raises(UserError, match='rope'):
        convert({**weights, 'rope': torch.zeros(1)})
