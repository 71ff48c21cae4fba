"""The size of the images that models were made for, as their configs say it."""
from collections.abc import Sequence

from mmengine.config import Config

from mmkd.datasets.configured import dataset_of
from mmkd.distillers.inputs import as_size, fixed_input_size
from mmkd.utils.building.build import type_name

from .models import AnalysedModel

PAPERS = 1024
LEAST = 160  # models of smaller images are looked at on less than the papers' size
TIMES = 4


def own_size(model: AnalysedModel) -> int | None:
    """The shorter side of the images that a model is validated on, or else trained on; None if nothing says it."""
    stated = None if model.config is None else _config_size(model.config)
    if stated is not None:
        return stated
    network = getattr(model.model, 'model', model.model)
    fixed = fixed_input_size(model.model, {}) or (getattr(network, 'pretrained_cfg', None) or {}).get('input_size')
    return min(fixed[-2:]) if fixed else None


def wide_size(models: Sequence[AnalysedModel], images: int) -> tuple[int, str]:
    """The size at which receptive fields are looked at if the user says none.

    Args:
        models: The models.
        images: The side of the images, which counts if no model says its own.

    Returns:
        The papers' 1024 if all models take large images, else four times the smallest that one takes; and why.
    """
    sizes = {model.label: size for model in models if (size := own_size(model)) is not None}
    label, own = min(sizes.items(), key=lambda item: item[1], default=('the images', images))
    if own >= LEAST:
        return PAPERS, f"the papers' size, as {label}: {own} and no less"
    return TIMES * own, f'{TIMES} × {label}: {own}'


def _config_size(config: Config) -> int | None:
    """The last crop or resizing of the validation's pipeline, or else of the training's; or a recipe's input size."""
    for split in ('val', 'test', 'train'):
        dataset = dataset_of(config, split)
        for step in reversed((dataset or {}).get('pipeline') or ()):
            size = step.get('crop_size', step.get('scale') if 'Resize' in type_name(step) else None)
            if isinstance(size, int | list | tuple):
                return min(as_size(size))
    stated = config.model.get('input_size') if isinstance(config.get('model'), dict) else None
    return None if stated is None else min(as_size(stated))
