"""Positions without a label."""
import pytest
import torch
from mmpretrain.structures import DataSample

from mmkd.losses import BinaryKDLoss, DISTLoss, KDLoss
from mmkd.losses.ignored import kept_positions
from mmkd.utils import UserError

from .segmentation import segmented, with_boxes

LOSS = KDLoss()


def labels(batch=2, size=4):
    found = torch.zeros(batch, size, size, dtype=torch.uint8)
    found[0, :2] = 255
    return found


def test_labels_are_looked_up_at_the_centres():
    kept = kept_positions(LOSS, segmented(labels()), torch.zeros(2, 3, 4, 4))
    assert kept.shape == (2, 1, 4, 4) and kept[0, 0, :, 0].tolist() == [False, False, True, True] and kept[1].all()
    fine = torch.zeros(1, 6, 6, dtype=torch.long)
    fine[0, 1::3, 1::3] = 255  # in the middle of the cells
    assert not kept_positions(LOSS, segmented(fine), torch.zeros(1, 3, 2, 2)).any()
    assert kept_positions(LOSS, segmented(fine), torch.zeros(1, 3, 2, 2), ignore_index=7).all()


@pytest.mark.parametrize('samples', [
    None, torch.zeros(2), [], [DataSample().set_gt_label(1)] * 2, with_boxes([], [])])
def test_everything_counts_elsewhere(samples):
    assert kept_positions(LOSS, samples, torch.zeros(2, 3, 4, 4)) is None
    assert kept_positions(LOSS, segmented(labels()), torch.zeros(2, 3)) is None


def test_labels_of_some_images_only():
    with pytest.raises(UserError, match='a label map .* for each of the 2 images, got 1. Annotate all images'):
        kept_positions(LOSS, [*segmented(labels(1)), DataSample()], torch.zeros(2, 3, 4, 4))
    with pytest.raises(UserError, match='for each of the 3 images, got 2'):
        kept_positions(LOSS, segmented(labels()), torch.zeros(3, 3, 4, 4))


@pytest.mark.parametrize('loss', [KDLoss(2.0), BinaryKDLoss(), BinaryKDLoss('mean', 'sigmoid'), DISTLoss()])
def test_dense_logits(loss):
    """They are those of the positions with a label; without any they are 0, with gradients of 0."""
    student, teacher = torch.randn(2, 2, 5, 4, 4, dtype=torch.float64)
    student.requires_grad_()
    rows = [torch.cat([maps[0, :, 2:].flatten(1).t(), maps[1].flatten(1).t()]) for maps in (student, teacher)]
    torch.testing.assert_close(loss(student, teacher, data_samples=segmented(labels())), loss(*rows))
    assert loss(student, teacher, data_samples=segmented(labels())) != loss(student, teacher)
    none = loss(student, teacher, data_samples=segmented(torch.full((2, 4, 4), 255)))
    none.backward()
    assert none == 0 and student.grad.abs().sum() == 0
    other = type(loss)(ignore_index=0)(student, teacher, data_samples=segmented(labels() * 0))
    assert other == 0
