"""Masks of boxes."""
import math

import pytest
import torch
from mmpretrain.structures import DataSample

from mmkd.losses import FGDLoss
from mmkd.losses.boxes import box_masks
from mmkd.utils import UserError

from .segmentation import with_boxes

LOSS = FGDLoss(4)
MAPS = torch.zeros(2, 4, 8, 8, dtype=torch.float64)


def in_loops(boxes, size, height, width):
    """The foreground of one image, box by box and position by position."""
    mask = torch.zeros(height, width, dtype=torch.float64)
    for x1, y1, x2, y2 in boxes:
        left, right = math.floor(x1 / size[1] * width), math.ceil(x2 / size[1] * width)
        top, bottom = math.floor(y1 / size[0] * height), math.ceil(y2 / size[0] * height)
        for row in range(max(top, 0), min(bottom + 1, height)):
            for column in range(max(left, 0), min(right + 1, width)):
                mask[row, column] = max(mask[row, column], 1 / (right + 1 - left) / (bottom + 1 - top))
    return mask


def test_masks_are_those_of_loops_over_boxes_and_positions():
    boxes = [[1, 1, 9, 5], [3, 2, 5, 4], [14, 14, 16, 16]]
    foreground, background = box_masks(LOSS, with_boxes(boxes, []), MAPS)
    torch.testing.assert_close(foreground[0], in_loops(boxes, (16, 16), 8, 8))
    assert foreground[1].sum() == 0 and torch.equal(background[1], torch.full((8, 8), 1 / 64, dtype=torch.float64))
    assert ((foreground[0] > 0) ^ (background[0] > 0)).all()
    assert background[0].sum().item() == pytest.approx(1)
    wide, samples = torch.zeros(1, 4, 3, 10, dtype=torch.float64), with_boxes([[2, 2, 20, 7]], size=(24, 40))
    torch.testing.assert_close(box_masks(LOSS, samples, wide)[0][0], in_loops([[2, 2, 20, 7]], (24, 40), 3, 10))


def test_boxes_are_scaled_by_the_padded_image():
    """Half of its height is padding: a box over the image covers the upper half of the map."""
    foreground, _ = box_masks(LOSS, with_boxes([[0, 0, 15, 7]], []), MAPS)
    assert (foreground[0, :5] > 0).all() and not foreground[0, 5:].any()


def test_a_box_that_covers_all_leaves_no_background():
    foreground, background = box_masks(LOSS, with_boxes([[0, 0, 16, 16]], [[5, 5, 3, 3]]), MAPS)
    assert not background[0].any() and foreground.isfinite().all()  # a box turned inside out covers nothing


@pytest.mark.parametrize(('samples', 'message'), [
    (None, 'the boxes of the images, got samples without any. Use the loss between detectors'),
    (torch.zeros(2), 'samples without any'),
    ([DataSample().set_gt_label(1)] * 2, 'samples without any'),
    (with_boxes([]), 'samples of 2 images, got 1'),
])
def test_samples_without_boxes(samples, message):
    with pytest.raises(UserError, match=f'FGDLoss expects .*{message}'):
        box_masks(LOSS, samples, MAPS)


def test_samples_that_do_not_say_how_large_they_are():
    samples = with_boxes([], [])
    samples[1].pop('batch_input_shape')
    with pytest.raises(UserError, match='samples with batch_input_shape, got one without'):
        box_masks(LOSS, samples, MAPS)
    del samples[0].gt_instances.bboxes
    with pytest.raises(UserError, match='samples with gt_instances.bboxes, got one without'):
        box_masks(LOSS, samples, MAPS)
