"""SLaK, and the ConvNeXts distilled from it: from the names of VITA-Group/SLaK to those of mmkd."""
import re
from collections.abc import Mapping

from torch import Tensor

from mmkd.utils import UserError

# The code was renamed in the course of time: published files have either name.
_BRANCHES = dict(LoRA1='vertical', Decom1='vertical', LoRA2='horizontal', Decom2='horizontal', small_conv='small',
                 lkb_origin='large')
_OURS = re.compile(r'(downsample_layers|stages|norm\d)\..+')
_LARGE_KERNEL = re.compile(r'(stages\.\d+\.\d+\.large_kernel)\.(\w+)\.((?:conv|bn)\.\w+|weight|bias)')


def matches(weights: Mapping[str, Tensor]) -> bool:
    """Tells whether the names are those of the authors' SLaK: classifier, or backbone of a detector or segmentor.

    Args:
        weights: Parameter name to tensor.

    Returns:
        Whether :func:`convert` takes it.
    """
    return any(re.search(rf'\.large_kernel\.({"|".join(_BRANCHES)}|lkb_reparam)\.', name) for name in weights)


def convert(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Renames the parameters of the authors' SLaK.

    Args:
        weights: Their name to tensor.

    Returns:
        The state dict of an mmpretrain ``ImageClassifier`` with ``mmkd.SLaK``, or of the detector or segmentor that
        it belongs to, whose other parameters keep their names. The tensors are the same.

    Raises:
        UserError: A name is not one of theirs.
    """
    dense = any(name.startswith('backbone.') for name in weights)
    return {name if dense and not name.startswith('backbone.') else _new_name(name.removeprefix('backbone.')): tensor
            for name, tensor in weights.items()}


def _new_name(name: str) -> str:
    kernel = _LARGE_KERNEL.fullmatch(name)
    if kernel:
        block, branch, rest = kernel.groups()
        if branch == 'lkb_reparam':
            return f'backbone.{block}.large.conv.{rest}'
        if branch in _BRANCHES:
            return f'backbone.{block}.{_BRANCHES[branch]}.{rest}'
    elif _OURS.fullmatch(name):
        return f'backbone.{name}'
    elif re.fullmatch(r'(norm|head)\.(weight|bias)', name):
        return name.replace('norm.', 'backbone.norm3.').replace('head.', 'head.fc.')
    raise UserError(f'the converter of SLaK expects parameters of VITA-Group/SLaK, got {name!r}. '
                    'Convert weights of other models with their own converter.')
