"""Vision transformers: from the names of DeiT and timm to those of mmpretrain."""
import re
from collections.abc import Mapping

from torch import Tensor

from mmkd.utils import UserError

NAMES = {
    r'(cls_token|pos_embed)': r'backbone.\1',
    r'patch_embed\.proj\.(.+)': r'backbone.patch_embed.projection.\1',
    r'blocks\.(\d+)\.norm([12])\.(.+)': r'backbone.layers.\1.ln\2.\3',
    r'blocks\.(\d+)\.attn\.((?:qkv|proj)\..+)': r'backbone.layers.\1.attn.\2',
    r'blocks\.(\d+)\.mlp\.fc1\.(.+)': r'backbone.layers.\1.ffn.layers.0.0.\2',
    r'blocks\.(\d+)\.mlp\.fc2\.(.+)': r'backbone.layers.\1.ffn.layers.1.\2',
    r'norm\.(.+)': r'backbone.ln1.\1',
    r'head\.(.+)': r'head.layers.head.\1',
}


def matches(weights: Mapping[str, Tensor]) -> bool:
    """Tells whether the names are those of a plain vision transformer, with a class token and positions.

    Args:
        weights: Parameter name to tensor.

    Returns:
        Whether :func:`convert` takes it.
    """
    return ({'cls_token', 'pos_embed', 'patch_embed.proj.weight', 'blocks.0.attn.qkv.weight', 'norm.weight'}
            <= weights.keys() and 'dist_token' not in weights)


def convert(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Renames the parameters of a vision transformer.

    Args:
        weights: Their name to tensor.

    Returns:
        The state dict of an mmpretrain ``ImageClassifier`` with ``VisionTransformer``. The tensors are the same.

    Raises:
        UserError: A name is none of the family's.
    """
    return {_rename(name): tensor for name, tensor in weights.items()}


def _rename(name: str) -> str:
    for pattern, new in NAMES.items():
        if re.fullmatch(pattern, name):
            return re.sub(pattern, new, name)
    raise UserError(f'a checkpoint of a vision transformer expects names like blocks.0.attn.qkv.weight, got {name!r}. '
                    'Convert it by hand, or give a timm model as dict(timm=…).')
