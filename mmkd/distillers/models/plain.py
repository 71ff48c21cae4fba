"""Models that are no OpenMMLab models: any ``nn.Module`` that takes images."""
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from mmengine.model import BaseModel
from torch import Tensor, nn

from mmkd.utils import UserError

from ..inputs.labels import Labels, check_range, target_of
from ..taps.plain import logits_in


def is_plain(model: nn.Module) -> bool:
    """Whether a model is called with images only, and not in OpenMMLab's way."""
    return not isinstance(model, BaseModel)


def forward_of(model: nn.Module) -> Callable[..., object]:
    """How a model is run: ``forward(inputs, data_samples, mode)``, whatever its own signature is.

    A plain module is called with the images. Its own loss is the cross-entropy of its logits, its prediction their
    softmax.
    """
    return partial(_forward_plain, model) if is_plain(model) else model


def _forward_plain(model: nn.Module, inputs: Tensor, data_samples: Labels = None, mode: str = 'tensor') -> object:
    return answer(model, model(inputs), data_samples, mode)


def answer(model: nn.Module, outputs: object, data_samples: Labels, mode: str) -> object:
    """What an OpenMMLab model would return in a mode.

    Args:
        model: The model, for messages.
        outputs: What it has returned: logits, or a tuple or dict with them.
        data_samples: The labels.
        mode: ``'loss'`` for their cross-entropy, ``'predict'`` for samples with softmax scores, else the outputs.

    Raises:
        UserError: There are no logits, or no labels that belong to them.
    """
    if mode == 'loss':
        return dict(loss=_cross_entropy(model, outputs, target_of(data_samples)))
    return _predictions(model, outputs, data_samples) if mode == 'predict' else outputs


def _cross_entropy(model: nn.Module, outputs: object, target: Tensor | None) -> Tensor:
    logits = _class_scores(model, outputs)
    if target is None:
        raise UserError(f'the own loss of a {type(model).__name__} expects class labels, got other annotations. Set '
                        'task_weight=0. to train by the terms alone.')
    check_range(target, len(logits), logits.shape[1])
    return F.cross_entropy(logits.float(), target if target.is_floating_point() else target.long())


def _predictions(model: nn.Module, outputs: object, data_samples: Labels) -> list:
    from mmpretrain.structures import DataSample
    scores = _class_scores(model, outputs).float().softmax(dim=1)
    if data_samples is None or isinstance(data_samples, Tensor):
        data_samples = [DataSample() for _ in scores]
    return [sample.set_pred_score(score).set_pred_label(score.argmax())
            for sample, score in zip(data_samples, scores, strict=True)]


def _class_scores(model: nn.Module, outputs: object) -> Tensor:
    logits = logits_in(model, outputs)
    if logits.dim() != 2:
        raise UserError(f'the own loss of a {type(model).__name__} expects it to return logits (N, classes), got '
                        f'{tuple(logits.shape)}. Set task_weight=0. to train by the terms alone, or wrap it.')
    return logits


def device_of(model: nn.Module) -> torch.device:
    """Where the parameters of a model are; the CPU for one without any."""
    first = next(model.parameters(), None)
    return torch.device('cpu') if first is None else first.device
