"""Grad-CAM: which places of a map speak for a class."""
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmkd.distillers.taps import Location, locate, named_locations, token_grid
from mmkd.utils import UserError

from .tap_reader import TapReader, stage_taps, without_parameter_gradients


@dataclass(frozen=True)
class ClassMaps:
    """Grad-CAM of a batch.

    Args:
        maps: (N, h, w), in the size of the tapped map; none is negative.
        classes: The class of each map, (N,).
        scores: The softmax score of that class, (N,).
        predictions: The class with the highest score, (N,).
        known: How many classes the model has.
    """
    maps: Tensor
    classes: Tensor
    scores: Tensor
    predictions: Tensor
    known: int


def grad_cam(model: nn.Module, images: Tensor, tap: str | None = None, classes: Tensor | None = None) -> ClassMaps:
    r"""Grad-CAM of a classifier.

    .. math:: L = \max\Big(0, \sum_k \alpha_k A_k\Big), \quad
              \alpha_k = \frac{1}{hw} \sum_{ij} \frac{\partial y_c}{\partial A_{kij}}

    with the maps A of a tap and the logit y of the class. It is computed by captum. Tokens are laid out as a map first,
    without class tokens; captum would take their channels for positions.

    Source: Selvaraju et al., Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization, 2017,
    arXiv 1610.02391, Eqs. 1 and 2.
    Differs from the authors' code: nothing but the layout of tokens.

    Args:
        model: A classifier, in eval mode; it keeps a hook, and is otherwise left as it is.
        images: (N, C, H, W), normalised as the model wants them.
        tap: A stage or a module, ``@input`` for its input; None for :func:`cam_tap`.
        classes: (N,) class indices; None for the predicted ones.

    Raises:
        UserError: captum is not installed, the model is no classifier, or the tap reads no map, or one that the logits
            do not depend on.
    """
    grad_cam_of = need_captum()
    tap = tap or cam_tap(model)
    reader = TapReader(model, ['logits'])
    with torch.no_grad():
        logits = expect_logits(model, reader(images))
    predictions = logits.argmax(1)
    classes = predictions if classes is None else expect_classes(classes, logits)
    with without_parameter_gradients(model), _map_at(model, tap, images) as place:
        layer = grad_cam_of(lambda batch: reader(batch)['logits'], place)
        found = layer.attribute(images, classes, relu_attributions=False)[:, 0].detach()
    if not found.any():
        raise UserError(f'Grad-CAM expects a tap that the logits depend on, got {tap!r}, where every gradient is 0. '
                        'Tap an earlier module: of a transformer with a class token, the last block by its @input.')
    scores = logits.softmax(1).gather(1, classes[:, None])[:, 0]
    return ClassMaps(F.relu(found), classes, scores, predictions, logits.shape[1])


def cam_tap(model: nn.Module) -> str:
    """The tap that Grad-CAM takes by itself: the last stage.

    Of a transformer with a class token it is the input of the last block: after that, no other token is read any more.

    Raises:
        UserError: The model has no stages that are known.
    """
    last = stage_taps(model)[-1]
    location = named_locations(model)[last]
    return f'{location.module}@input' if location.prefix_tokens else last


def upsampled(maps: Tensor, size: int | tuple[int, int]) -> Tensor:
    """Maps in the size of the images, bilinear, each divided by its largest value; zeros stay zeros.

    Args:
        maps: (N, h, w).
        size: Side, or height and width.
    """
    shape = (size, size) if isinstance(size, int) else size
    large = F.interpolate(maps[:, None].float(), shape, mode='bilinear', align_corners=False)[:, 0]
    largest = large.flatten(1).amax(1)[:, None, None]
    return torch.where(largest > 0, large / largest.clamp(min=torch.finfo(large.dtype).tiny), 0)


def expect_logits(model: nn.Module, tapped: dict[str, Tensor]) -> Tensor:
    """The logits of a classifier.

    Raises:
        UserError: They are those of something else.
    """
    logits = tapped['logits']
    if logits.dim() != 2:
        raise UserError(f'this command expects classifiers with logits (N, classes), got a {type(model).__name__} with '
                        f'{tuple(logits.shape)}. Name a classifier.')
    return logits.float()


def expect_classes(classes: Tensor, logits: Tensor) -> Tensor:
    """Class indices that a model has.

    Raises:
        UserError: One is out of its range.
    """
    known = logits.shape[1]
    if classes.min() < 0 or classes.max() >= known:
        wrong = classes[(classes < 0) | (classes >= known)][0].item()
        raise UserError(f'a model of {known} classes expects classes from 0 to {known - 1}, got {wrong}. Take images '
                        'whose classes are those of the model.')
    return classes.to(logits.device)


def need_captum() -> type:
    """captum's Grad-CAM.

    Raises:
        UserError: captum is not installed.
    """
    try:
        from captum.attr import LayerGradCam
    except ImportError as error:
        raise UserError('Grad-CAM expects captum, which is not installed. Install it: pip install captum.') from error
    return LayerGradCam


@contextmanager
def _map_at(model: nn.Module, tap: str, images: Tensor) -> Iterator[nn.Module]:
    """Lets what a tap reads pass through a module that sees it as a map (N, C, h, w).

    Yields:
        That module.
    """
    path, _, option = tap.partition('@')
    location, place = locate(model, path), nn.Identity()
    if option not in ('', 'input'):
        raise UserError(f'Grad-CAM expects a tap without @{option}, got {tap!r}. Leave it out.')
    form = next((known for name, known in named_locations(model).items() if name.startswith('stage')), location)

    def through(value: Any) -> Any:
        if isinstance(value, tuple | list) and value:  # (tokens, (H, W)), as window transformers return it
            return type(value)((through(value[0]), *value[1:]))
        return _through(value, place, form, tap, images)

    module = model.get_submodule(location.module)
    if option:
        handle = module.register_forward_pre_hook(lambda _, inputs: (through(inputs[0]), *inputs[1:]))
    else:
        handle = module.register_forward_hook(lambda _, inputs, output: through(output))
    try:
        yield place
    finally:
        handle.remove()


def _through(value: Any, place: nn.Module, form: Location, tap: str, images: Tensor) -> Tensor:
    dimensions = value.dim() if isinstance(value, Tensor) else 0
    if dimensions == 4:
        if form.channels_last:
            return place(value.permute(0, 3, 1, 2)).permute(0, 2, 3, 1).clone()
        return place(value).clone()  # the model may change it in place
    if dimensions != 3:
        read = tuple(value.shape) if isinstance(value, Tensor) else f'a {type(value).__name__}'
        raise UserError(f'Grad-CAM expects a tap that reads a map or tokens, got {tap!r}, which reads {read}. Tap a '
                        'stage.')
    prefix, tokens = value[:, :form.prefix_tokens], value[:, form.prefix_tokens:]  # (N, L, C)
    rows, columns = token_grid(tokens.shape[1], (images.shape[2], images.shape[3]))
    laid_out = place(tokens.transpose(1, 2).unflatten(2, (rows, columns)))
    return torch.cat([prefix, laid_out.flatten(2).transpose(1, 2)], dim=1)
