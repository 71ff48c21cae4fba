"""Types without a package, where no default scope says it."""
from collections import OrderedDict

import pytest
from mmengine.registry import DefaultScope, init_default_scope

from mmkd.distillers.models.scopes import with_scope
from mmkd.utils import UserError

from .conftest import classifier
from .test_plain import LOGITS, distiller_of


@pytest.fixture(autouse=True)
def no_scope(monkeypatch):
    monkeypatch.setattr(DefaultScope, '_instance_dict', OrderedDict())


def bare(cfg):
    """The same config without packages."""
    if isinstance(cfg, dict):
        return {key: value.removeprefix('mmpretrain.') if key == 'type' else bare(value) for key, value in cfg.items()}
    return cfg


def test_a_classifier_as_one_types_it(capsys):
    distiller = distiller_of(bare(classifier(8)), bare(classifier(16)), dict(kd=LOGITS))
    assert type(distiller.student).__module__.startswith('mmpretrain.')
    assert distiller.data_preprocessor is distiller.student.data_preprocessor


@pytest.mark.parametrize(('kind', 'scope'), [('ImageClassifier', 'mmpretrain'), ('ResNet', 'mmpretrain'),
                                             ('MaskRCNN', 'mmdet'), ('EncoderDecoder', 'mmseg')])
def test_packages(kind, scope):
    pytest.importorskip(scope)
    assert with_scope(dict(type=kind), 'student') == dict(type=kind, _scope_=scope)


def test_which_of_several_was_taken_is_said(caplog, monkeypatch):
    said = []
    monkeypatch.setattr('mmkd.distillers.models.scopes.print_log', lambda text, **_: said.append(text))
    with_scope(dict(type='ResNet'), 'student')
    assert said[0].startswith("The student's type 'ResNet' is taken from mmpretrain. Write mmdet.ResNet")


def test_what_says_its_package_stays_as_it_is():
    for cfg in (dict(type='mmdet.ResNet'), dict(type='ResNet', _scope_='mmseg'), dict(type=dict)):
        assert with_scope(cfg, 'student') is cfg
    init_default_scope('mmdet')
    cfg = dict(type='ResNet')
    assert with_scope(cfg, 'student') is cfg


def test_an_unknown_type_has_its_nearest():
    with pytest.raises(UserError, match="expects the type of a model, got 'ImageClasifier'. Did you mean Image"):
        distiller_of(dict(type='ImageClasifier'))
