"""What detectors need besides images to run a forward pass."""
from mmengine.model import BaseModel
from torch import nn


def forward_mode(model: nn.Module) -> str:
    """The mode in which a model runs all its modules: detectors call some heads as modules only to predict."""
    return 'predict' if is_detector(model) else 'tensor'


def is_detector(model: nn.Module) -> bool:
    """Whether a model is one of mmdet's."""
    return isinstance(model, BaseModel) and any(kind.__module__.startswith('mmdet.') for kind in type(model).__mro__)


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
