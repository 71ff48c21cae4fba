"""Taking the weights out of a config."""
import pytest
from mmengine.config import Config

from mmkd.recipes.weightless import brings_weights, pretrained_inits, strip_weights, without_weights
from mmkd.registry import MODELS
from mmkd.utils import UserError
from tests.distillers.conftest import classifier

FILE = dict(type='Pretrained', checkpoint='none.pth', prefix='backbone.')


def test_strips_what_reads_a_file_and_nothing_else():
    kaiming = dict(type='Kaiming', layer='Conv2d')
    cfg = dict(type='A', pretrained=True, backbone=dict(init_cfg=FILE, pretrained='none.pth', depth=3),
               head=dict(init_cfg=[kaiming, FILE]), neck=[dict(init_cfg=kaiming)])
    assert strip_weights(cfg) == dict(type='A', pretrained=False, backbone=dict(pretrained=None, depth=3),
                                      head=dict(init_cfg=[kaiming]), neck=[dict(init_cfg=kaiming)])
    assert pretrained_inits(cfg) == [FILE, FILE]
    assert cfg['pretrained'] is True


def test_builds_a_recipe_whose_files_are_missing(recipe):
    recipe['teacher'] |= dict(checkpoint='none.pth', dtype='bf16', input_size=64)
    recipe['student'] = classifier(8, init_cfg=FILE)
    cfg, specs = without_weights(Config(dict(model=recipe)))
    assert {role: brings_weights(spec) for role, spec in specs.items()} == dict(student=True, teacher=True)
    assert specs['teacher'].checkpoint == 'none.pth'
    distiller = MODELS.build(cfg)
    distiller.init_weights()
    assert distiller.teachers['teacher'].adapter.size == (64, 64) and distiller.teachers['teacher'].dtype is not None


def test_several_teachers_and_an_average(recipe):
    teacher = recipe['teacher']
    recipe['teacher'] = dict(big=dict(teacher, checkpoint='none.pth'), average=dict(ema=dict(momentum=0.1)))
    recipe['terms']['nkd']['teacher'], recipe['terms']['fd']['teacher'] = 'average:logits', 'big:stage2'
    cfg, specs = without_weights(Config(dict(model=recipe)))
    assert list(specs) == ['student', "teacher 'big'"]
    assert list(MODELS.build(cfg).teachers) == ['big', 'average']


def test_a_plain_config_gets_its_preprocessor():
    cfg, specs = without_weights(Config(dict(model=classifier(8), data_preprocessor=dict(mean=[1.]))))
    assert cfg['data_preprocessor']['std'] == [60.] * 3 and not brings_weights(specs['model'])
    model = classifier(8)
    del model['data_preprocessor']
    assert without_weights(Config(dict(model=model, data_preprocessor=dict(mean=[1.]))))[0][
        'data_preprocessor'] == dict(mean=[1.])


def test_a_recipe_without_a_teacher(recipe):
    del recipe['teacher']
    with pytest.raises(UserError, match='teacher expects a dict, got None'):
        without_weights(Config(dict(model=recipe)))
