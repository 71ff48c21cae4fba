"""Labels of a batch as a plain tensor, and batches without any."""
import pytest
import torch
import torch.nn.functional as F
from mmpretrain.structures import DataSample
from torch import nn

from mmkd.distillers import Distiller
from mmkd.distillers.inputs import check_range, target_of
from mmkd.utils import UserError

from ..conftest import classifier
from ..test_plain import LOGITS, Net, distiller_of

IMAGES = torch.rand(4, 3, 32, 32)


@pytest.mark.parametrize(('labels', 'message'), [
    (torch.tensor([0, 1, 2, 5]), 'classes from 0 to 4, as the student has 5, got 5'),
    (torch.tensor([0, 1, 2, -1]), 'classes from 0 to 4, as the student has 5, got -1'),
    (torch.tensor([0, 1, 2]), r'class indices \(4,\) or soft labels \(4, 5\), got torch.int64 of shape \(3,\)'),
    (torch.rand(4), r'soft labels \(4, 5\), got torch.float32 of shape \(4,\)'),
    (torch.rand(4, 7), r'soft labels \(4, 5\), got torch.float32 of shape \(4, 7\)'),
    (torch.ones(4, dtype=torch.bool), 'whole numbers or shares, got torch.bool')])
def test_labels_that_do_not_fit(labels, message):
    for student in (Net(), classifier(8, classes=5)):
        with pytest.raises(UserError, match=message):
            distiller_of(student)(IMAGES, labels)


def test_unknown_classes_are_not_compared():
    check_range(torch.tensor([900, 3]), 2, None)
    with pytest.raises(UserError, match=r'soft labels \(2, classes\)'):
        check_range(torch.rand(2), 2, None)


def test_soft_labels_of_a_classifier():
    distiller = distiller_of(classifier(8, classes=5)).eval()
    soft = torch.rand(4, 5).softmax(1)
    expected = F.cross_entropy(distiller(IMAGES), soft)
    torch.testing.assert_close(distiller(IMAGES, soft)['task_loss'], expected)


def test_a_detector_wants_samples():
    pytest.importorskip('mmdet')
    detector = dict(config='quickstart/mask-rcnn_convnest-mini_digits.py')
    at = dict(loss=dict(type='mmkd.ATLoss'), student='stage2', teacher='stage2')
    distiller = Distiller(detector, detector, dict(at=at), input_size=64)
    with pytest.raises(UserError, match='labels as a tensor expect a classifier, got a MaskRCNN'):
        distiller(torch.rand(2, 3, 64, 64), torch.tensor([0, 1]))


@pytest.mark.parametrize('student', [Net(), classifier(8, classes=5)], ids=['plain', 'mmpretrain'])
def test_without_labels(student):
    distiller = distiller_of(student, task_weight=0.)
    losses = distiller(IMAGES, mode='loss')
    assert losses['task_loss'] == 0 < losses['loss_kd']
    with pytest.raises(UserError, match=r'own loss \(task_weight=1\) expects labelled images'):
        distiller_of(student)(IMAGES, mode='loss')


class Weighing(nn.Module):
    """Reads labels, and cannot do without."""

    def forward(self, student, teacher, target):
        return F.mse_loss(student, teacher) + target.float().mean()


class Trying(Weighing):
    """Can do without."""

    def forward(self, student, teacher, target=None):
        return F.mse_loss(student, teacher)


def test_a_loss_of_ones_own_that_needs_labels():
    term = dict(LOGITS, loss=Weighing())
    with pytest.raises(UserError, match='Weighing expects class labels, got none'):
        distiller_of(terms=dict(own=term), task_weight=0.)(IMAGES, mode='loss')
    without = distiller_of(terms=dict(own=dict(LOGITS, loss=Trying())), task_weight=0.)
    assert without(IMAGES, mode='loss')['loss_own'] > 0


def test_no_head_loss_where_it_counts_nothing(monkeypatch):
    distiller, calls = distiller_of(classifier(8, classes=5), task_weight=0.), []
    monkeypatch.setattr(distiller.student.head, 'loss', lambda *_, **__: calls.append(1))
    assert distiller(IMAGES, torch.arange(4))['loss_kd'] > 0 and calls == []


LABEL, TWO, NONE = DataSample().set_gt_label(1), DataSample().set_gt_label([3, 4]), DataSample()
SCORE, EMPTY = DataSample().set_gt_score(torch.eye(5)[2]), DataSample().set_gt_label(torch.zeros(0, dtype=torch.long))


@pytest.mark.parametrize('samples', [[LABEL, NONE], [NONE, LABEL], [LABEL, SCORE], [SCORE, LABEL], [SCORE, NONE]])
def test_batches_of_which_some_images_have_labels(samples):
    """Whatever their order: losses without a target train, and others say it."""
    assert target_of(samples) is None
    with pytest.raises(UserError, match='labels of one kind .* for all images, got none or others for some'):
        target_of(samples, needed=True)
    for weight, message in ((0., None), (1., r'own loss \(task_weight=1\) expects label')):
        distiller = distiller_of(classifier(8, classes=5), task_weight=weight)
        if message is None:
            assert distiller(IMAGES[:2], samples, mode='loss')['loss_kd'] > 0
        else:
            with pytest.raises(UserError, match=message):
                distiller(IMAGES[:2], samples, mode='loss')


def test_a_classifier_reads_of_all_images_what_the_first_has():
    both = DataSample().set_gt_label(2).set_gt_score(torch.eye(5)[2])
    assert distiller_of(classifier(8, classes=5))(IMAGES[:2], [LABEL, both], mode='loss')['task_loss'] > 0
    with pytest.raises(UserError, match='own loss .* labels of one kind'):
        distiller_of(classifier(8, classes=5))(IMAGES[:2], [both, LABEL], mode='loss')


@pytest.mark.parametrize('samples', [[TWO, EMPTY], [EMPTY, TWO], [TWO, LABEL], [TWO, TWO]])
def test_several_labels_do_not_slip_to_other_images(samples):
    assert target_of(samples) is None
    with pytest.raises(UserError, match=r"one label an image, got [02] of one. .*teacher_activation='sigmoid'"):
        target_of(samples, needed=True)


def test_labels_of_all_images():
    assert target_of([LABEL, LABEL], needed=True).tolist() == [1, 1]
    assert target_of([SCORE, SCORE], needed=True).shape == (2, 5)
    assert target_of([NONE, NONE], needed=True) is None is target_of(None, needed=True)
