"""CSWin Transformer: from the parameter names of microsoft/CSWin-Transformer to those of mmkd."""
import re
from collections.abc import Mapping

from torch import Tensor

from mmkd.utils import UserError

_OUTSIDE_BLOCKS = {
    r'stage1_conv_embed\.0': 'backbone.downsample_layers.0.0',
    r'stage1_conv_embed\.2': 'backbone.downsample_layers.0.1',
    r'merge(\d+)\.conv': r'backbone.downsample_layers.\1.0',
    r'merge(\d+)\.norm': r'backbone.downsample_layers.\1.1',
    r'norm': 'backbone.norm3',
    r'head': 'head.fc',
}
_IN_BLOCKS = {
    r'(norm[12])': r'\1',
    r'(qkv|proj)': r'attention.\1',
    r'attns\.(\d+)\.get_v': r'attention.position_convs.\1',
    r'mlp\.(fc[12])': r'\1',
}


def matches(state_dict: Mapping[str, Tensor]) -> bool:
    """Tells whether a state dict has the names of the authors' CSWin Transformer.

    Args:
        state_dict: Parameter name to tensor.

    Returns:
        Whether :func:`convert` takes it.
    """
    return {'stage1_conv_embed.0.weight', 'merge1.conv.weight', 'stage1.0.attns.0.get_v.weight'} <= state_dict.keys()


def convert(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Renames the parameters of the authors' CSWin Transformer.

    Args:
        state_dict: Their name to tensor; the head may be missing.

    Returns:
        The state dict of an mmpretrain ``ImageClassifier`` with ``mmkd.CSWinTransformer`` and ``LinearClsHead``. The
        tensors are the same.

    Raises:
        UserError: A name is not one of theirs.
    """
    return {_new_name(name): tensor for name, tensor in state_dict.items()}


def _new_name(name: str) -> str:
    module, _, parameter = name.rpartition('.')
    block = re.fullmatch(r'stage(\d+)\.(\d+)\.(.+)', module)
    if block:
        stage, index, module = block.groups()
        prefix, names = f'backbone.stages.{int(stage) - 1}.{index}.', _IN_BLOCKS  # they count stages from 1
    else:
        prefix, names = '', _OUTSIDE_BLOCKS
    for pattern, replacement in names.items():
        match = re.fullmatch(pattern, module)
        if match:
            return f'{prefix}{match.expand(replacement)}.{parameter}'
    raise UserError(f'the converter of CSWin Transformers expects parameters of microsoft/CSWin-Transformer, '
                    f'got {name!r}. Convert weights of other models with their own converter.')
