"""What a recipe mixes is read as its model reads it, and is in the recipe no more."""
import copy

import pytest
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from torch import nn

from mmkd.distillers.models import read_spec, take_mixing
from mmkd.utils import UserError

MIXUP, CUTMIX = (dict(augments=dict(type=kind, alpha=1.0)) for kind in ('Mixup', 'CutMix'))
PREPROCESSOR = dict(type='mmpretrain.ClsDataPreprocessor', num_classes=4)
NET = dict(type='mmpretrain.ImageClassifier', backbone=dict(type='mmpretrain.MobileNetV2', widen_factor=0.25),
           head=dict(type='mmpretrain.LinearClsHead', num_classes=3, in_channels=1280))
TIMM = dict(timm='resnet10t', num_classes=5)


def recipe(student, **keys) -> Config:
    return Config(dict(model=dict(type='mmkd.Distiller', student=student, teacher=NET, terms={}), **keys))


def applied(config: Config) -> str | None:
    """What the student of a recipe mixes by itself first."""
    cfg = read_spec(config.model.student, 'student', config.get('data_preprocessor')).cfg
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        augments = MODELS.build(copy.deepcopy(cfg)).data_preprocessor.batch_augments
    return augments and type(augments.augments[0]).__name__


def kind(mixing: dict | None) -> str | None:
    augments = mixing and mixing['augments']
    return augments and (augments[0] if isinstance(augments, list) else augments)['type']


@pytest.mark.parametrize(('student', 'preprocessor', 'classes', 'expected'), [
    (NET, None, 3, None),
    (NET | dict(train_cfg=MIXUP), None, 3, 'Mixup'),
    (NET | dict(data_preprocessor=PREPROCESSOR | dict(batch_augments=CUTMIX)), None, 4, 'CutMix'),
    (NET | dict(train_cfg=MIXUP, data_preprocessor=PREPROCESSOR | dict(batch_augments=CUTMIX)), None, 4, 'CutMix'),
    (NET | dict(train_cfg=MIXUP, data_preprocessor=PREPROCESSOR | dict(batch_augments=None)), None, 4, None),
    (NET | dict(train_cfg=MIXUP), PREPROCESSOR, 4, 'Mixup'),
    (NET | dict(train_cfg=MIXUP), PREPROCESSOR | dict(batch_augments=CUTMIX), 4, 'CutMix'),
    (NET, PREPROCESSOR | dict(batch_augments=CUTMIX), 4, 'CutMix'),
    (NET | dict(data_preprocessor=PREPROCESSOR | dict(batch_augments=MIXUP)), PREPROCESSOR, 4, None),
    (TIMM | dict(train_cfg=MIXUP), None, 5, 'Mixup'),
    (TIMM | dict(train_cfg=MIXUP), PREPROCESSOR | dict(batch_augments=CUTMIX), 4, 'Mixup'),
    (TIMM, PREPROCESSOR | dict(batch_augments=CUTMIX), 4, 'CutMix'),
    (dict(config='convnest/convnest-tiny_32xb128_in1k.py'), None, 1000, 'Mixup'),
    (dict(config='convnest/convnest-tiny_32xb128_in1k.py'), PREPROCESSOR | dict(batch_augments=CUTMIX), 4, 'CutMix'),
    (dict(config='quickstart/convnest-mini_digits-5shot.py', options={'model.train_cfg': MIXUP}), None, 10, 'Mixup'),
    (dict(config='quickstart/convnest-mini_digits-5shot.py'), PREPROCESSOR | dict(batch_augments=CUTMIX), 4, 'CutMix'),
])
def test_taken_as_the_model_takes_it(student, preprocessor, classes, expected):
    config = recipe(student, **({} if preprocessor is None else dict(data_preprocessor=copy.deepcopy(preprocessor))))
    assert applied(config) == expected
    mixing, found = take_mixing(config)
    assert kind(mixing) == expected and found == classes
    assert applied(config) is None and take_mixing(config) == (None, classes)


def test_a_preprocessor_inside_the_distiller_comes_first():
    config = recipe(NET | dict(train_cfg=MIXUP), data_preprocessor=PREPROCESSOR | dict(batch_augments=MIXUP))
    config.model.data_preprocessor = PREPROCESSOR | dict(batch_augments=CUTMIX)
    assert kind(take_mixing(config)[0]) == 'CutMix' and 'batch_augments' not in config.model.data_preprocessor


def test_a_named_student_stays_the_same_student():
    config = recipe('convnest-tiny')
    mixing, classes = take_mixing(config)
    assert classes == 1000 and [each['type'] for each in mixing['augments']] == ['Mixup', 'CutMix']
    assert 'convnest-tiny' in config.model.student.config and config.model.student.options == {'model.train_cfg': None}


def test_a_classifier_of_its_own():
    config = Config(dict(model=NET | dict(train_cfg=MIXUP), data_preprocessor=PREPROCESSOR))
    assert take_mixing(config) == (MIXUP, 4) and 'train_cfg' not in config.model
    assert take_mixing(config) == (None, 4)


def test_detectors_keep_what_is_theirs():
    own = dict(type='mmdet.FasterRCNN', train_cfg=dict(rpn=1), data_preprocessor=dict(
        type='mmdet.DetDataPreprocessor', batch_augments=[dict(type='mmdet.BatchFixedSizePad', size=(8, 8))]))
    config = Config(dict(model=copy.deepcopy(own)))
    assert take_mixing(config)[0] is None and config.model == own
    config.model.data_preprocessor.batch_augments.append(dict(type='BatchSyncRandomResize'))
    with pytest.raises(UserError, match='got BatchSyncRandomResize, which draws for a batch. Let'):
        take_mixing(config)


def test_a_module_that_mixes_by_itself_is_refused():
    module = nn.Conv2d(3, 4, 1)
    assert take_mixing(recipe(module))[0] is None
    config = recipe(module, data_preprocessor=PREPROCESSOR | dict(batch_augments=CUTMIX))
    assert kind(take_mixing(config)[0]) == 'CutMix'
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        mixing = MODELS.build(copy.deepcopy(NET | dict(train_cfg=MIXUP)))
    with pytest.raises(UserError, match='a module that mixes by itself'):
        take_mixing(recipe(mixing))
