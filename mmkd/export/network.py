"""What is exported of a model: images in, logits or the maps of the stages out, and nothing that only trains."""
import copy
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mmkd.distillers.inputs import image_channels, teacher_normalisation
from mmkd.engine.models import has_no_classifier
from mmkd.utils import UserError

RGB, BGR, GREY = 'RGB', 'BGR', 'grey'
INSIDE, OUTSIDE = 'inside', 'outside'


@dataclass(frozen=True)
class InputForm:
    """What a model expects of its images.

    Args:
        mean: One number a channel, or one for all, for pixels in 0…255, in the model's order of channels.
        std: The same.
        order: ``'RGB'``, ``'BGR'`` or ``'grey'``: the model's order of channels.
    """
    mean: tuple[float, ...]
    std: tuple[float, ...]
    order: str

    @property
    def channels(self) -> int:
        """Channels of an image."""
        return 1 if self.order == GREY else 3


def input_form(model: nn.Module, cfg: Mapping, loaded_rgb: bool = False) -> InputForm:
    """Reads what a model expects of its images.

    Args:
        model: The model.
        cfg: Its config.
        loaded_rgb: Whether its data set hands over RGB, as CIFAR's does, and not BGR, as OpenMMLab reads files.

    Raises:
        UserError: Nothing says how images are normalised, or they are neither grey nor in colours.
    """
    channels = image_channels(model)
    if channels not in (1, 3):
        raise UserError(f'an export expects a model of images with 1 or 3 channels, got {channels}. Such a model has '
                        'to be exported by hand, with torch.onnx.export.')
    found = teacher_normalisation(model, dict(cfg))
    if found is None:
        raise UserError(f'an export expects to know how images are normalised, and nothing says so of this '
                        f'{type(model).__name__}. Write data_preprocessor=dict(mean=…, std=…, to_rgb=…) in its config.')
    mean, std = (tuple(float(value) for value in torch.as_tensor(found[key]).flatten()) for key in ('mean', 'std'))
    rgb = found['to_rgb'] != loaded_rgb  # the flag turns the order of what was loaded around
    return InputForm(mean, std, GREY if channels == 1 else RGB if rgb else BGR)


class ExportedNetwork(nn.Module):
    """A model between its images and its outputs, as one function of a tensor.

    Args:
        model: A classifier, a detector, a segmentor, or a backbone alone.
        form: What it expects of its images.
        inside: Whether pixels in 0…255, in RGB, are normalised here; else the images come as the model wants them.

    Shapes: (N, C, H, W), C 3 or 1. Returns logits (N, classes) of a classifier, features (N, C) of one without a head,
    and of all others a tuple of the backbone's maps (N, C_i, H/s, W/s).
    """

    def __init__(self, model: nn.Module, form: InputForm, inside: bool = True) -> None:
        super().__init__()
        self.whole, self.logits = is_classifier(model), gives_logits(model)
        self.network = model if self.whole or not hasattr(model, 'backbone') else model.backbone
        self.inside, self.flip = inside, inside and form.order == BGR
        self.register_buffer('mean', torch.tensor(form.mean).reshape(1, -1, 1, 1), persistent=False)
        self.register_buffer('std', torch.tensor(form.std).reshape(1, -1, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Runs the model."""
        if self.flip:
            images = images.flip(1)
        if self.inside:
            images = (images - self.mean) / self.std
        outputs = self.network(images, mode='tensor') if self.whole else self.network(images)
        if type(outputs) not in (list, tuple):  # not isinstance with a union, which PyTorch 2.4 cannot export
            return outputs
        return tuple(outputs) if len(outputs) > 1 else outputs[0]

    def output_names(self, images: Tensor) -> list[str]:
        """Names the outputs: ``logits``, ``features`` where nothing classifies them, or the stages by their numbers."""
        with torch.no_grad():
            outputs = self(images)
        if isinstance(outputs, Tensor) and (outputs.dim() == 2 or self.whole):
            return ['logits' if self.logits else 'features']
        count = 1 if isinstance(outputs, Tensor) else len(outputs)
        indices = getattr(self.network, 'out_indices', None)
        if isinstance(indices, list | tuple) and len(indices) == count and min(indices) >= 0:
            return [f'stage{index + 1}' for index in indices]
        return [f'stage{number}' for number in range(1, count + 1)]


def attends(model: nn.Module) -> bool:
    """Whether a model has attention, whose windows and positions belong to a size of the images."""
    return any('attention' in type(module).__name__.lower() or 'attn' in type(module).__name__.lower()
               or type(module).__name__.endswith(('MHSA', 'MSA')) for module in model.modules())


def is_classifier(model: nn.Module) -> bool:
    """Whether a model is a classifier of mmpretrain's, which is run as a whole and in OpenMMLab's way."""
    if importlib.util.find_spec('mmpretrain') is None:
        return False
    from mmpretrain.models import BaseClassifier
    return isinstance(model, BaseClassifier)


def gives_logits(model: nn.Module) -> bool:
    """Whether what a model returns are logits: it is no detector, segmentor or backbone alone, and has a head."""
    ends = is_classifier(model) or not hasattr(model, 'backbone') and getattr(model, 'out_indices', None) is None
    return ends and not has_no_classifier(model)


@torch.no_grad()
def merged(network: ExportedNetwork) -> ExportedNetwork:
    """A copy in the form for inference: branches that only training needs are merged, such as SLaK's large kernels.

    Args:
        network: In eval mode; it is left as it is.
    """
    network = copy.deepcopy(network)
    _merge(network.network)
    for module in network.modules():
        if type(module).__name__ == 'ShiftWindowMSA' and type(module).__module__.startswith('mmpretrain.'):
            module.window_reverse = _windows_to_maps
    return network.eval()


def _windows_to_maps(windows: Tensor, height: int, width: int, side: int) -> Tensor:
    """What mmpretrain's ``window_reverse`` computes, which makes the number of images a constant of the file.

    Args:
        windows: (N · windows, side, side, C).
    """
    channels = windows.shape[-1]
    maps = windows.view(-1, height // side, width // side, side, side, channels).transpose(2, 3)
    return maps.reshape(-1, height, width, channels)


def _merge(module: nn.Module) -> None:
    if callable(getattr(module, 'switch_to_deploy', None)):  # it reaches the modules below by itself
        module.switch_to_deploy()
        return
    for child in module.children():
        _merge(child)
