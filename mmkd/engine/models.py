"""The model that a runner trains, out of its wrapper, and how many classes it tells apart."""
from mmengine.model import BaseModel, is_model_wrapper
from mmengine.runner import Runner
from torch import nn

from mmkd.distillers import Distiller
from mmkd.distillers.models import HuggingFaceModel
from mmkd.distillers.taps import named_locations
from mmkd.utils import UserError

HEADS = ('head', 'decode_head', 'bbox_head', 'roi_head.bbox_head', 'model')  # ``model``: timm's and Hugging Face's


def model_of(runner: Runner) -> BaseModel:
    """The runner's model, without the wrapper that several processes put around it."""
    return runner.model.module if is_model_wrapper(runner.model) else runner.model


def distiller_of(runner: Runner, asked_by: str) -> Distiller:
    """The runner's model, which has to be a distiller.

    Args:
        runner: The runner.
        asked_by: Who needs one, for the message.

    Raises:
        UserError: It is another model.
    """
    model = model_of(runner)
    if not isinstance(model, Distiller):
        raise UserError(f'{asked_by} expects a model of type mmkd.Distiller, got a {type(model).__name__}. '
                        f'Take {asked_by} out of custom_hooks.')
    return model


def class_count(model: nn.Module) -> int | None:
    """The number of classes of a classifier, segmentor or detector, if its head says so."""
    for path in HEADS:
        owner = model
        for name in path.split('.'):
            owner = getattr(owner, name, None)
        if isinstance(owner, nn.ModuleList):  # a cascade
            owner = owner[-1]
        count = getattr(owner, 'num_classes', getattr(owner, 'num_labels', None))
        if isinstance(count, int) and count > 0:
            return count
    return None


def output_count(model: nn.Module) -> int | None:
    """As :func:`class_count`; of a plain module that ends with a linear layer the width of this one.

    That may be the width of an embedding: what is asked of a classifier alone asks for :func:`class_count`.
    """
    count, location = class_count(model), named_locations(model).get('pre_logits')
    if count is not None or location is None or isinstance(model, BaseModel):
        return count
    width = getattr(model.get_submodule(location.module), 'out_features', None)
    return width if isinstance(width, int) else None


def has_no_classifier(model: nn.Module) -> bool:
    """Whether a model is known to end with features, so that what it returns are no classes.

    It is so of mmpretrain's classifiers without a head, of timm's models with ``num_classes=0``, and of models of
    Hugging Face that have none.
    """
    if isinstance(model, HuggingFaceModel):
        return 'logits' not in named_locations(model)
    owners = (model, getattr(model, 'model', None))
    return getattr(model, 'head', model) is None or any(getattr(owner, 'num_classes', None) == 0 for owner in owners)
