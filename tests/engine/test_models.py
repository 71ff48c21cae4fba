"""The model that a runner trains, and its number of classes."""
from types import SimpleNamespace

import pytest
from torch import nn

from mmkd.engine.models import class_count
from mmkd.registry import MODELS

from ..distillers.conftest import classifier


def test_class_counts():
    pytest.importorskip('timm')
    assert class_count(MODELS.build(classifier(8, classes=7))) == 7
    assert class_count(MODELS.build(dict(type='mmpretrain.TimmClassifier', model_name='resnet10t', num_classes=5))) == 5
    assert class_count(SimpleNamespace(roi_head=SimpleNamespace(bbox_head=SimpleNamespace(num_classes=3)))) == 3
    assert class_count(SimpleNamespace()) is None
    cascade = nn.ModuleList([nn.Linear(1, 1), nn.Linear(1, 1)])
    cascade[-1].num_classes = 4
    assert class_count(SimpleNamespace(roi_head=SimpleNamespace(bbox_head=cascade))) == 4
