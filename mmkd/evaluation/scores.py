"""What the metrics read from a model's predictions."""
from pathlib import PurePosixPath

from mmengine.evaluator import BaseMetric
from torch import Tensor

from mmkd.utils import UserError

NUM_CLASSES = 1000


def imagenet_scores(metric: BaseMetric, sample: dict) -> Tensor:
    """The scores (1000,) of one image, on the CPU.

    Raises:
        UserError: They are not there, or of another number of classes.
    """
    scores = sample.get('pred_score')
    if scores is None or scores.numel() != NUM_CLASSES:
        found = 'none' if scores is None else f'{scores.numel()}'
        raise UserError(f"{type(metric).__name__} expects scores of ImageNet-1K's {NUM_CLASSES} classes, got {found}. "
                        'Test a model that was trained on it.')
    return scores.cpu()


def image_path(metric: BaseMetric, sample: dict) -> PurePosixPath:
    """The path of the image.

    Raises:
        UserError: The pipeline left it out.
    """
    if not sample.get('img_path'):
        raise UserError(f"{type(metric).__name__} expects each image's path, got none. Keep 'img_path' in the "
                        'meta_keys of PackInputs.')
    return PurePosixPath(str(sample['img_path']).replace('\\', '/'))
