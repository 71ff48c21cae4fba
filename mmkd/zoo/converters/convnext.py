"""ConvNeXt: from the names of facebookresearch/ConvNeXt to those of mmpretrain."""
import re
from collections.abc import Mapping

from torch import Tensor

from mmkd.utils import UserError

_PARTS = dict(dwconv='depthwise_conv', norm='norm', pwconv1='pointwise_conv1', pwconv2='pointwise_conv2', grn='grn')


def matches(weights: Mapping[str, Tensor]) -> bool:
    """Tells whether the names are those of the authors' ConvNeXt.

    Args:
        weights: Parameter name to tensor.

    Returns:
        Whether :func:`convert` takes it.
    """
    return {'downsample_layers.0.0.weight', 'stages.0.0.dwconv.weight', 'stages.0.0.pwconv1.weight'} <= weights.keys()


def convert(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Renames the parameters of the authors' ConvNeXt and ConvNeXt V2.

    Args:
        weights: Their name to tensor.

    Returns:
        The state dict of an mmpretrain ``ImageClassifier`` with ``ConvNeXt``. The tensors are the same, but for
        those of V2's response normalisation, which lose their axes of length 1.

    Raises:
        UserError: A name is not one of theirs.
    """
    return {_new_name(name): tensor.flatten() if '.grn.' in name else tensor for name, tensor in weights.items()}


def _new_name(name: str) -> str:
    block = re.fullmatch(r'(stages\.\d+\.\d+)\.(\w+)\.(\w+)', name)
    if block and block[2] in _PARTS:
        return f'backbone.{block[1]}.{_PARTS[block[2]]}.{block[3]}'
    if re.fullmatch(r'downsample_layers\..+|norm\d\..+|stages\.\d+\.\d+\.gamma', name):
        return f'backbone.{name}'
    if re.fullmatch(r'(norm|head)\.(weight|bias)', name):
        return name.replace('norm.', 'backbone.norm3.').replace('head.', 'head.fc.')
    raise UserError(f'the converter of ConvNeXt expects parameters of facebookresearch/ConvNeXt, got {name!r}. '
                    'Convert weights of other models with their own converter.')
