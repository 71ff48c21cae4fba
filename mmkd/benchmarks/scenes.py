"""Annotations for random images, so that detectors and segmentors can be trained on them for a while."""
import torch
from mmengine.structures import InstanceData, PixelData
from torch import nn

from mmkd.distillers.models import fake_samples, forward_mode

BOXES = 8  # of an image


def annotated(model: nn.Module, images: int, size: tuple[int, int]) -> list | None:
    """Annotations as a data loader gives them.

    Args:
        model: The student.
        images: Their number.
        size: Height and width of the images.

    Returns:
        Samples with boxes and masks for a detector, or with random labels for a segmentor, all of the first two
        classes; None for a classifier.
    """
    if forward_mode(model) == 'predict':
        samples = fake_samples(model, images, size)
        for sample in samples:
            sample.gt_instances = _instances(BOXES, size)
            sample.ignored_instances = _instances(0, size)
        return samples
    if not hasattr(model, 'decode_head'):
        return None
    from mmseg.structures import SegDataSample
    return [SegDataSample(gt_sem_seg=PixelData(data=torch.randint(0, 2, (1, *size))),
                          metainfo=dict(img_shape=size, ori_shape=size, pad_shape=size)) for _ in range(images)]


def _instances(number: int, size: tuple[int, int]) -> InstanceData:
    from mmdet.structures.mask import BitmapMasks
    height, width = size
    sides = torch.tensor([width, height])
    start = torch.rand(number, 2) * 0.7
    boxes = torch.cat([start * sides, (start + 0.05 + torch.rand(number, 2) * 0.25) * sides], 1)
    masks = torch.zeros(number, height, width, dtype=torch.uint8)
    for mask, (left, top, right, bottom) in zip(masks, boxes.int().tolist(), strict=True):
        mask[top:bottom, left:right] = 1
    return InstanceData(bboxes=boxes, labels=torch.randint(0, 2, (number, )),
                        masks=BitmapMasks(masks.numpy(), height, width))
