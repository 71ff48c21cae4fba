"""Parameters, FLOPs and activations, dense and sparse, as the papers count them."""
import copy
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from mmkd.utils import UserError, nearest

from .image_forward import forward_image

_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_COUNTED = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear, *_TRANSPOSED)


def _matmul(left: Tensor, right: Tensor, *_: object, **__: object) -> int:
    columns = right.shape[-1] if right.dim() > 1 else 1
    batch = max(left.numel() // left.shape[-1], right.numel() // (right.shape[-2] * columns) * left.shape[-2]
                if min(left.dim(), right.dim()) > 1 else 0)
    return batch * left.shape[-1] * columns


def _attention(query: Tensor, key: Tensor, value: Tensor, *_: object, **__: object) -> int:
    return query.numel() // query.shape[-1] * key.shape[-2] * (query.shape[-1] + value.shape[-1])


_PRODUCTS: dict[Callable, Callable[..., int]] = {
    torch.matmul: _matmul, torch.bmm: _matmul, Tensor.matmul: _matmul, Tensor.__matmul__: _matmul, Tensor.bmm: _matmul,
    F.scaled_dot_product_attention: _attention}


@dataclass(frozen=True)
class Complexity:
    """What a model costs.

    Args:
        params: Number of (non-zero) parameters.
        flops: Multiply-adds with (non-zero) weights for one image.
        activations: Output elements of the convolutions and linear layers for one image.
    """
    params: float
    flops: float
    activations: float


class LayerCounter(TorchFunctionMode):
    """Counts what the layers of a model do while it runs under this mode.

    Hooks count the layers that are called. The mode adds those whose weight is taken out of them and given to
    ``F.linear``, as BEiT does; the projections of ``nn.MultiheadAttention`` are counted from its inputs.

    Args:
        model: The model; it keeps the hooks.

    Attributes:
        products: Multiply-adds of products of two activations (attention), which are in no layer's ``flops``.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.flops: Counter[str] = Counter()  # by the name of the weight
        self.activations: Counter[str] = Counter()
        self.products = 0
        self._names: dict[int, str] = {}  # a weight that two layers share goes by its first name
        self._running: set[int] = set()
        for name, module in model.named_modules():
            prefix = f'{name}.' if name else ''
            if isinstance(module, _COUNTED):
                self._names.setdefault(id(module.weight), f'{prefix}weight')
                self._watch(module, self._names[id(module.weight)])
            elif isinstance(module, nn.MultiheadAttention):
                module.register_forward_hook(self._attention_hook(prefix), with_kwargs=True)

    def __torch_function__(self, func: Callable, types: tuple, args: tuple = (), kwargs: dict | None = None) -> object:
        """Counts linear maps by a layer's weight outside of the layer."""
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        if func is F.linear:
            weight = args[1] if len(args) > 1 else kwargs['weight']
            if id(weight) in self._names and id(weight) not in self._running:
                self._add(self._names[id(weight)], weight, output.numel() // len(weight), output.numel())
        elif func in _PRODUCTS and not any(isinstance(factor, nn.Parameter) for factor in args[:2]):
            self.products += _PRODUCTS[func](*args, **kwargs)
        return output

    def _watch(self, module: nn.Module, name: str) -> None:
        weight = module.weight

        def enter(_: nn.Module, inputs: tuple) -> None:
            self._running.add(id(weight))

        def count(_: nn.Module, inputs: tuple, output: Tensor) -> None:
            self._running.discard(id(weight))
            # Axis 0 of the weight is the output's channels, of a transposed convolution the input's. Each of
            # their positions uses every weight once.
            side = inputs[0] if isinstance(module, _TRANSPOSED) else output
            self._add(name, weight, side.numel() // len(weight), output.numel())

        module.register_forward_pre_hook(enter)
        module.register_forward_hook(count)

    def _attention_hook(self, prefix: str) -> Callable:

        def count(module: nn.MultiheadAttention, args: tuple, kwargs: dict, _: tuple) -> None:
            inputs = dict(zip(('query', 'key', 'value'), args)) | kwargs
            width = module.embed_dim
            for name in ('query', 'key', 'value'):
                elements = inputs[name].numel()
                weight = 'in_proj_weight' if module.in_proj_weight is not None else f'{name[0]}_proj_weight'
                self.flops[prefix + weight] += width * elements
                self.activations[prefix + weight] += width * elements // inputs[name].shape[-1]
            elements = inputs['query'].numel()
            self.products += 2 * elements * inputs['key'].shape[1 if module.batch_first and inputs['key'].dim() == 3
                                                                else 0]
            self.flops[f'{prefix}out_proj.weight'] += width * elements
            self.activations[f'{prefix}out_proj.weight'] += elements

        return count

    def _add(self, name: str, weight: Tensor, positions: int, outputs: int) -> None:
        self.flops[name] += weight.numel() * positions
        self.activations[name] += outputs


def count_layers(model: nn.Module, input_shape: tuple[int, ...] = (3, 224, 224)) -> LayerCounter:
    """Counts the multiply-adds and the outputs of each convolution and linear layer for one image.

    Norms, activation functions, biases and products of two activations (attention) are left out, as in the tables of
    ConvNeXt, SLaK and ConvNeSt. MMEngine's ``get_model_complexity_info`` counts norms too and has no figure a
    weight, which sparse models need. A copy of the model runs on torch's ``meta`` device, so nothing is computed; one
    that looks at values, such as Deformable DETR, runs on the CPU instead.

    Args:
        model: The model; it is left as it is.
        input_shape: Shape of one image, (C, H, W).

    Returns:
        The counter, with ``flops`` and ``activations`` by the name of each layer's weight.

    Raises:
        UserError: The model cannot run on such an image, or is a detector that cannot be counted.
    """
    try:
        try:
            return _run(model, input_shape, 'meta')
        except RuntimeError as error:
            if 'meta' not in str(error):
                raise
            return _run(model, input_shape, 'cpu')
    except UserError:
        raise
    except (RuntimeError, TypeError, ValueError, AssertionError) as error:
        reason = str(error).strip().rstrip('.')
        raise UserError(f'counting expects the {type(model).__name__} to run on one image of shape {input_shape}, '
                        f'got {type(error).__name__}: {reason}. Give another size; if no size helps, count it with '
                        'the tools of its own package.') from error


def _run(model: nn.Module, input_shape: tuple[int, ...], device: str) -> LayerCounter:
    twin = copy.deepcopy(model).to(device)
    twin.eval()  # not chained: mmpretrain's backbones return None
    counter = LayerCounter(twin)
    with torch.no_grad(), counter:
        forward_image(twin, torch.zeros(1, *input_shape, device=device))
    return counter


def layer_flops(model: nn.Module, input_shape: tuple[int, ...] = (3, 224, 224)) -> dict[str, int]:
    """The multiply-adds of each layer, by the name of its weight; see :func:`count_layers`."""
    return dict(count_layers(model, input_shape).flops)


def count_complexity(
    model: nn.Module,
    input_shape: tuple[int, ...] = (3, 224, 224),
    densities: Mapping[str, float] | None = None,
) -> Complexity:
    """Counts a model's parameters, FLOPs and activations.

    Args:
        model: The model; it is left as it is.
        input_shape: Shape of one image, (C, H, W).
        densities: Parameter name to the share of its entries that is not zero, as :mod:`mmkd.sparsity` returns it.
            Parameters without one are dense.

    Returns:
        The figures of the non-zero part. Zero weights spare no activations.

    Raises:
        UserError: A density is given for a parameter that the model lacks, or see :func:`count_layers`.
    """
    densities = densities or {}
    params = {name: param.numel() for name, param in model.named_parameters()}
    for name in densities:
        if name not in params:
            raise UserError(f'densities expects names of parameters, got {name!r}. {nearest(name, params)}')
    counter = count_layers(model, input_shape)
    return Complexity(
        params=sum(size * densities.get(name, 1.) for name, size in params.items()),
        flops=sum(size * densities.get(name, 1.) for name, size in counter.flops.items()),
        activations=sum(counter.activations.values()))
