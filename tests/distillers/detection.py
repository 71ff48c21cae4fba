"""Small detectors and segmentors of the quick start, and batches for them."""
import numpy as np
import torch
from mmengine.structures import InstanceData

STUDENT, TEACHER = (f'quickstart/mask-rcnn_convnest-{size}_digits.py' for size in ('mini', 'wide'))
SEGMENTORS = [f'quickstart/upernet_convnest-{size}_digits.py' for size in ('mini', 'wide')]
LEVELS = ['neck1', 'neck2', 'neck3', 'neck4']
CONV = dict(type='mmkd.ConvConnector')


def recipe(student: object = STUDENT, teacher: object = TEACHER, **terms: dict) -> dict:
    """A distiller's config between two of them, named by a config or by a model's dict."""
    student, teacher = (dict(config=model) if isinstance(model, str) else model for model in (student, teacher))
    return dict(type='mmkd.Distiller', student=student, teacher=teacher, input_size=96, terms=terms)


def term(loss: str, taps: object, teacher: object = None, **more: object) -> dict:
    """A term at the same taps of both."""
    return dict(loss=dict(type=f'mmkd.{loss}', **more.pop('arguments', {})), student=taps,
                teacher=teacher or taps, **more)


def scenes(*boxes: list, size: int = 96) -> tuple[torch.Tensor, list]:
    """A batch of images, one a list of boxes, as a detector's preprocessor gives it."""
    from mmdet.structures import DetDataSample
    from mmdet.structures.mask import BitmapMasks
    samples = []
    for each in boxes:
        sizes = dict.fromkeys(('img_shape', 'ori_shape', 'pad_shape', 'batch_input_shape'), (size, size))
        sample = DetDataSample(metainfo=dict(sizes, scale_factor=(1., 1.)))
        for key, found in (('gt_instances', each), ('ignored_instances', [])):
            sample.set_field(InstanceData(
                bboxes=torch.tensor(found, dtype=torch.float32).reshape(-1, 4), labels=torch.arange(len(found)),
                masks=BitmapMasks(np.ones((len(found), size, size), np.uint8), size, size)), key)
        samples.append(sample)
    return torch.rand(len(boxes), 3, size, size), samples
