"""How a network shares its parameters and FLOPs between mixing positions and mixing channels."""
import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from typing import Any

from torch import nn

from mmkd.distillers.taps import named_locations
from mmkd.utils import UserError

from .complexity import count_layers

TOKEN, CHANNEL, RESOLUTION, HEAD, OTHER = 'token mixing', 'channel mixing', 'stem and downsampling', 'head', 'other'
KINDS = (TOKEN, CHANNEL, RESOLUTION, HEAD, OTHER)
_ATTENTION = re.compile(r'attention|attn|msa|mhsa', re.IGNORECASE)
_TOKENS = re.compile(r'token_?mix|mlp_tokens|linear_tokens', re.IGNORECASE)
_PROJECTIONS = re.compile(r'(to_)?(q|k|v|kv|qk|qkv|proj|query|key|value)', re.IGNORECASE)  # of CSWin, in its block


@dataclass(frozen=True)
class Shares:
    """Parameters and FLOPs of each kind of layer.

    Args:
        params: Kind to the number of weights. ``'other'`` has biases, norms, scales and embeddings.
        flops: Kind to multiply-adds for one image; attention's products of two activations are token mixing here.
        kinds: Layer to kind, to be looked at.
    """
    params: dict[str, int]
    flops: dict[str, int]
    kinds: dict[str, str]

    def of_all(self, what: str) -> float:
        """The share of token mixing in the whole model.

        Args:
            what: ``'params'`` or ``'flops'``.
        """
        counts = getattr(self, what)
        return counts[TOKEN] / max(sum(counts.values()), 1)

    def of_blocks(self, what: str) -> float:
        """The share of token mixing in what mixes tokens or channels: the paper's R."""
        counts = getattr(self, what)
        return counts[TOKEN] / max(counts[TOKEN] + counts[CHANNEL], 1)


def compute_shares(model: nn.Module, input_shape: tuple[int, int, int], token_mixing: str | None = None) -> Shares:
    """Counts how much of a model mixes positions.

    Token mixing are convolutions larger than 1×1 that keep the resolution; the layers of attention, projections and
    products; and the linear layers that MLP-Mixers apply along the positions. Layers that change the resolution
    (stride above 1, patch merging) and those of the head stand apart: all of a detector or segmentor but its backbone,
    or the classifier. All else mixes channels.

    Args:
        model: The model; it is left as it is.
        input_shape: Shape of one image, (C, H, W).
        token_mixing: A regular expression for names of further layers that mix positions.

    Raises:
        UserError: The expression is none, no layer is counted, or the model cannot run on such an image.
    """
    further = _pattern(token_mixing)
    counter = count_layers(model, input_shape)
    sizes = {name: parameter.numel() for name, parameter in model.named_parameters()}
    if not counter.flops:
        raise UserError(f'a {type(model).__name__} expects convolutions or linear layers, has none that are counted.')
    kinds = {name: _kind(model, name, further) for name in counter.flops}
    params, flops = dict.fromkeys(KINDS, 0), dict.fromkeys(KINDS, 0)
    for name, kind in kinds.items():
        params[kind] += sizes.get(name, 0)
        flops[kind] += counter.flops[name]
    params[OTHER] = sum(sizes.values()) - sum(params.values())
    flops[TOKEN] += counter.products
    return Shares(params, flops, kinds)


def closed_form(cost: float, ratio: float, kernel: int, positions: int = 1) -> float:
    r"""The share of the depthwise convolution in a ConvNeSt block.

    .. math:: R = \frac{2}{1 + \sqrt{1 + \frac{8 C}{k^4 h w r}}}, \quad C = h w (2 r d^2 + k^2 r d)

    Source: Convolution on Your 12× Wide Feature: A ConvNet with Nested Design, Sec. 3.1 and Eqs. 1 to 4 (d is the
    block's width outside, before the expansion). Fig. 9 has k = 3 and C = 10⁶.
    Differs from the authors' code: none was at hand.

    Args:
        cost: Parameters of the block, or its FLOPs.
        ratio: Expansion ratio.
        kernel: Side of the depthwise convolution.
        positions: h·w for FLOPs, 1 for parameters.

    Raises:
        UserError: One of them is not positive.
    """
    if min(cost, ratio, kernel, positions) <= 0:
        raise UserError(f'the closed form expects positive numbers, got a cost of {cost}, a ratio of {ratio} and a '
                        f'kernel of {kernel}. Correct them.')
    return 2 / (1 + sqrt(1 + 8 * cost / (kernel**4 * positions * ratio)))


def _kind(model: nn.Module, weight: str, further: re.Pattern | None) -> str:
    path = weight.rpartition('.')[0]
    if further is not None and further.search(path):
        return TOKEN
    if _is_head(model, path):
        return HEAD
    layer: Any = model.get_submodule(path)
    name = path.rpartition('.')[2]
    around = [*_ancestors(model, path)]
    if any(_ATTENTION.search(type(module).__name__) for module in [layer, *around]):
        return TOKEN
    if isinstance(layer, nn.Linear):
        if any('PatchMerging' in type(module).__name__ for module in around):
            return RESOLUTION
        return TOKEN if _TOKENS.search(path) or _PROJECTIONS.fullmatch(name) else CHANNEL
    if max(layer.stride) > 1:
        return RESOLUTION
    return TOKEN if max(layer.kernel_size) > 1 else CHANNEL


def _ancestors(model: nn.Module, path: str) -> Iterator[nn.Module]:
    """The modules around a layer, but for the model itself."""
    while '.' in path:
        path = path.rpartition('.')[0]
        yield model.get_submodule(path)


def _is_head(model: nn.Module, path: str) -> bool:
    if isinstance(getattr(model, 'backbone', None), nn.Module):
        return not path.startswith('backbone.')
    classifier = named_locations(model).get('pre_logits')
    return path.startswith('head.') or classifier is not None and path == classifier.module


def _pattern(text: str | None) -> re.Pattern | None:
    try:
        return None if text is None else re.compile(text)
    except re.error as error:
        raise UserError(f'--token-mixing expects a regular expression, got {text!r} ({error}). Write, for example, '
                        r"'blocks\.\d+\.mixer'.") from error
