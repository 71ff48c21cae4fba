"""What detectors and segmentors need besides images, to run a forward pass and to compute the terms."""
import torch
from mmengine.model import BaseModel
from mmengine.structures import InstanceData, PixelData
from torch import Tensor, nn


def forward_mode(model: nn.Module) -> str:
    """The mode in which a model runs all its modules: detectors call some heads as modules only to predict."""
    return 'predict' if is_detector(model) else 'tensor'


def is_detector(model: nn.Module) -> bool:
    """Whether a model is one of mmdet's."""
    return _is_of('mmdet', model)


def _is_of(package: str, model: nn.Module) -> bool:
    return isinstance(model, BaseModel) and any(
        kind.__module__.startswith(f'{package}.') for kind in type(model).__mro__)


def fake_samples(model: nn.Module, images: int, size: tuple[int, int]) -> list | None:
    """Data samples without annotations for a batch of fake images, for models that do not run without any.

    Args:
        model: The model.
        images: Their number.
        size: Height and width of the images.

    Returns:
        The samples; None for models that need none.
    """
    if not is_detector(model):
        return None
    from mmdet.structures import DetDataSample
    sizes = dict.fromkeys(('img_shape', 'ori_shape', 'pad_shape', 'batch_input_shape'), size)
    return [DetDataSample(metainfo=dict(sizes, scale_factor=(1., 1.))) for _ in range(images)]


def fake_annotations(model: nn.Module, samples: list | None, images: Tensor) -> list | None:
    """What the terms may read of a batch of fake images: boxes of a detector's, label maps of a segmentor's.

    Args:
        model: The student.
        samples: What :func:`fake_samples` gives.
        images: The images (N, C, H, W).

    Returns:
        Samples with a box in the first image and none in the others, or with one label everywhere; None for models of
        other kinds.
    """
    if _is_of('mmseg', model):
        from mmseg.structures import SegDataSample
        labels = torch.zeros(1, *images.shape[2:], dtype=torch.uint8, device=images.device)
        return [SegDataSample(gt_sem_seg=PixelData(data=labels)) for _ in images]
    if samples is None:
        return None
    box = images.new_zeros(1, 4)
    box[:, 2:] = min(images.shape[2:]) / 2
    annotated = [sample.clone() for sample in samples]
    for i, sample in enumerate(annotated):
        boxes = box[i:]
        sample.gt_instances = InstanceData(bboxes=boxes, labels=boxes.new_zeros(len(boxes), dtype=torch.long))
    return annotated
