"""Models with weights at which errors show, and pictures."""
import torch
from mmengine.model import BaseModel
from torch import Tensor, nn
from torch.nn import functional as F

from mmkd.distillers.inputs import fixed_input_size
from mmkd.distillers.models import build_model, read_spec
from mmkd.distillers.models.names import plain_models
from mmkd.export.network import ExportedNetwork, InputForm, input_form

FORM = InputForm((123.675, 116.28, 103.53), (58.395, 57.12, 57.375), 'RGB')


@torch.no_grad()
def randomise(model: nn.Module) -> nn.Module:
    """Norms with statistics, scales and shifts, and layer scales that are not nearly zero."""
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        tensors = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
        for name, tensor in tensors:
            if not tensor.is_floating_point():
                continue
            if name == 'running_var' or 'gamma' in name or 'scale' in name or name == 'weight' and tensor.dim() == 1:
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + .5)
            elif name in ('running_mean', 'bias'):
                tensor.copy_(.1 * torch.randn(tensor.shape, generator=generator))
    model.eval()  # which returns nothing for some backbones of mmpretrain's
    return model


def smooth_pictures(count: int, size: tuple[int, int], channels: int = 3) -> Tensor:
    """Pictures with soft shapes: (N, C, H, W), pixels in 0…255."""
    generator = torch.Generator().manual_seed(0)
    coarse = 255 * torch.rand(count, channels, 8, 8, generator=generator)
    return F.interpolate(coarse, size, mode='bicubic').clamp(0, 255)


def network_of(name: str, options: dict | None = None) -> tuple[ExportedNetwork, tuple[int, int] | None]:
    """The network of a config or of a fragment, and the only size that it takes, if there is one."""
    spec = read_spec(dict(config=str(plain_models().get(name, name)), options=options or None), 'the model')
    model = randomise(build_model(spec, 'student'))
    return ExportedNetwork(model, input_form(model, spec.cfg)).eval(), fixed_input_size(model, spec.cfg)


def classifier(**backbone: object) -> BaseModel:
    """A tiny classifier of 10 classes; a ConvNeSt unless told otherwise."""
    backbone = backbone or dict(type='mmkd.ConvNeSt', arch=dict(depths=(1, 1), channels=(8, 16)), expansion_ratio=2)
    channels = backbone['arch']['channels'][-1]
    model = dict(type='mmpretrain.ImageClassifier', backbone=backbone,
                 head=dict(type='mmpretrain.LinearClsHead', num_classes=10, in_channels=channels))
    return randomise(build_model(read_spec(model, 'the model'), 'student'))
