"""Losses that take a softmax, and scores that are sigmoids of several labels."""
import copy

import pytest
import torch
from mmengine.registry import MODELS
from mmpretrain.structures import DataSample

from mmkd.distillers.taps import Taps
from mmkd.utils import UserError

from ..conftest import classifier

SOFTMAX = ('KDLoss', 'DISTLoss', 'NKDLoss', 'DKDLoss', 'OFALoss', 'BinaryKDLoss')


def labelled(several: bool, **loss) -> dict:
    """A classifier of single labels, or of several an image."""
    model = classifier(8, classes=5)
    model['head']['loss'] = dict(type='mmpretrain.CrossEntropyLoss', **loss)
    if several:
        model['head'] = dict(type='mmpretrain.MultiLabelLinearClsHead', num_classes=5, in_channels=16)
    return model


def terms(loss: str, tap: str = 'logits', **options) -> dict:
    return dict(kd=dict(loss=dict(type=f'mmkd.{loss}', **options), student=tap, teacher=tap))


@pytest.mark.parametrize('loss', SOFTMAX)
def test_a_softmax_between_classifiers_of_several_labels_is_refused(build, loss):
    with pytest.raises(UserError, match=f"{loss} expects one softmax .* of the student at logits, of which each .*"
                                        "Use BinaryKDLoss with teacher_activation='sigmoid'"):
        build(student=labelled(True), teacher=labelled(True), terms=terms(loss))


def test_on_one_side_or_at_a_module(build):
    with pytest.raises(UserError, match='of the teacher at head.fc'):
        build(student=labelled(False), teacher=labelled(True), terms=terms('KDLoss', 'head.fc'))


def test_sigmoids_compare_them(build):
    distiller = build(student=labelled(True), teacher=labelled(True),
                      terms=terms('BinaryKDLoss', teacher_activation='sigmoid'))
    samples = [DataSample().set_gt_label([0, 1, 2]), DataSample().set_gt_label([4])]
    assert distiller(torch.rand(2, 3, 32, 32), samples, mode='loss')['loss_kd'] > 0


def test_single_labels_by_a_binary_cross_entropy_are_no_such_scores(build):
    student = labelled(False, use_sigmoid=True)
    assert build(student=student, teacher=copy.deepcopy(student), terms=terms('KDLoss')).terms['kd'].loss.softmax


@pytest.mark.parametrize('use_sigmoid', [True, False])
def test_box_heads(use_sigmoid):
    pytest.importorskip('mmdet')
    from mmkd.utils.configs.finding import load_config
    config = load_config('quickstart/mask-rcnn_convnest-mini_digits.py', {
        'model.roi_head.bbox_head.loss_cls.use_sigmoid': use_sigmoid})
    taps = Taps(MODELS.build(config.model | dict(_scope_='mmdet')), ['roi_head.bbox_head.fc_cls', 'rpn', 'neck1'])
    assert taps.independent == ({'roi_head.bbox_head.fc_cls'} if use_sigmoid else set())
