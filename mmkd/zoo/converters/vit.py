"""ViT and DeiT: from the names of timm, which the authors of DeiT share, to those of mmpretrain."""
import re
from collections.abc import Mapping

from torch import Tensor

from mmkd.utils import UserError

_OUTSIDE_BLOCKS = dict(cls_token='backbone.cls_token', pos_embed='backbone.pos_embed') | {
    f'{theirs}.{parameter}': f'{ours}.{parameter}' for parameter in ('weight', 'bias') for theirs, ours in (
        ('patch_embed.proj', 'backbone.patch_embed.projection'), ('norm', 'backbone.ln1'),
        ('head', 'head.layers.head'))}
_IN_BLOCKS = {'norm1': 'ln1', 'norm2': 'ln2', 'attn.qkv': 'attn.qkv', 'attn.proj': 'attn.proj',
              'mlp.fc1': 'ffn.layers.0.0', 'mlp.fc2': 'ffn.layers.1'}


def matches(weights: Mapping[str, Tensor]) -> bool:
    """Tells whether the names are timm's of a plain ViT: with a class token and positions that are learned.

    Args:
        weights: Parameter name to tensor.

    Returns:
        Whether :func:`convert` takes it.
    """
    needed = {'cls_token', 'pos_embed', 'patch_embed.proj.weight', 'blocks.0.attn.qkv.bias', 'blocks.0.mlp.fc1.weight',
              'norm.weight'}
    return needed <= weights.keys() and 'dist_token' not in weights


def convert(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Renames the parameters of a ViT.

    Args:
        weights: Their name to tensor.

    Returns:
        The state dict of an mmpretrain ``ImageClassifier`` with ``VisionTransformer`` and ``VisionTransformerClsHead``.
        The tensors are the same.

    Raises:
        UserError: A name is not one of a plain ViT.
    """
    return {_new_name(name): tensor for name, tensor in weights.items()}


def _new_name(name: str) -> str:
    block = re.fullmatch(r'blocks\.(\d+)\.(.+)\.(weight|bias)', name)
    if block and block[2] in _IN_BLOCKS:
        return f'backbone.layers.{block[1]}.{_IN_BLOCKS[block[2]]}.{block[3]}'
    if name in _OUTSIDE_BLOCKS:
        return _OUTSIDE_BLOCKS[name]
    raise UserError(f"the converter of ViT expects parameters of timm's VisionTransformer, got {name!r}. "
                    'Convert weights of other models with their own converter.')
