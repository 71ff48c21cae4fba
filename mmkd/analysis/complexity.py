"""Parameters and FLOPs, dense and sparse, as the papers count them."""
import copy
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mmkd.utils import UserError, nearest

_COUNTED = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)


@dataclass(frozen=True)
class Complexity:
    """What a model costs.

    Args:
        params: Number of (non-zero) parameters.
        flops: Multiply-adds with (non-zero) weights for one image.
    """
    params: float
    flops: float


def layer_flops(model: nn.Module, input_shape: tuple[int, ...] = (3, 224, 224)) -> dict[str, int]:
    """Counts the multiply-adds of each convolution and linear layer for one image.

    Norms, activations, biases and products of two activations (attention) are left out, as in the tables of
    ConvNeXt, SLaK and ConvNeSt. MMEngine's ``get_model_complexity_info`` counts norms too and has no figure a
    weight, which sparse models need. A copy of the model runs on torch's ``meta`` device, so nothing is computed.

    Args:
        model: The model; it is left as it is.
        input_shape: Shape of one image, (C, H, W).

    Returns:
        Name of each layer's weight to its multiply-adds.
    """
    flops: Counter[str] = Counter()
    twin = copy.deepcopy(model).to('meta').eval()
    for name, module in twin.named_modules():
        if isinstance(module, _COUNTED):

            def count(_: nn.Module, inputs: tuple, output: Tensor, name: str = name,
                      weight: Tensor = module.weight) -> None:
                positions = output.numel() // weight.shape[0]  # each uses every weight once
                flops[f'{name}.weight' if name else 'weight'] += weight.numel() * positions

            module.register_forward_hook(count)
    with torch.no_grad():
        twin(torch.zeros(1, *input_shape, device='meta'))
    return dict(flops)


def count_complexity(
    model: nn.Module,
    input_shape: tuple[int, ...] = (3, 224, 224),
    densities: Mapping[str, float] | None = None,
) -> Complexity:
    """Counts a model's parameters and FLOPs.

    Args:
        model: The model; it is left as it is.
        input_shape: Shape of one image, (C, H, W).
        densities: Parameter name to the share of its entries that is not zero, as :mod:`mmkd.sparsity` returns it.
            Parameters without one are dense.

    Returns:
        The figures of the non-zero part.

    Raises:
        UserError: A density is given for a parameter that the model lacks.
    """
    densities = densities or {}
    params = {name: param.numel() for name, param in model.named_parameters()}
    for name in densities:
        if name not in params:
            raise UserError(f'densities expects names of parameters, got {name!r}. {nearest(name, params)}')
    flops = layer_flops(model, input_shape)
    return Complexity(
        params=sum(size * densities.get(name, 1.) for name, size in params.items()),
        flops=sum(size * densities.get(name, 1.) for name, size in flops.items()))
