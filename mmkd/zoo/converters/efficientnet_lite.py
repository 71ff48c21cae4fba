"""EfficientNet-Lite 0 to 4: from the names of EfficientNet-PyTorch's descendants to those of timm."""
import re
from collections.abc import Mapping

from torch import Tensor

from mmkd.utils import UserError

# Number of blocks to blocks a stage: Lite 0; 1 and 2, which differ in width alone; 3; 4.
STAGES = {16: (1, 2, 2, 3, 3, 4, 1), 21: (1, 3, 3, 4, 4, 5, 1), 24: (1, 3, 3, 5, 5, 6, 1), 30: (1, 4, 4, 6, 6, 8, 1)}
_OUTSIDE_BLOCKS = dict(_conv_stem='conv_stem', _bn0='bn1', _conv_head='conv_head', _bn1='bn2', _fc='classifier')
_IN_BLOCKS = dict(_expand_conv='conv_pw', _bn0='bn1', _depthwise_conv='conv_dw', _bn1='bn2', _project_conv='conv_pwl',
                  _bn2='bn3')
# The first block widens nothing: one convolution and one norm fewer.
_IN_FIRST_BLOCK = dict(_depthwise_conv='conv_dw', _bn1='bn1', _project_conv='conv_pw', _bn2='bn2')


def matches(weights: Mapping[str, Tensor]) -> bool:
    """Tells whether the names are EfficientNet-PyTorch's of a model without squeeze and excitation, as Lite is.

    Args:
        weights: Parameter name to tensor.

    Returns:
        Whether :func:`convert` takes it.
    """
    needed = {'_conv_stem.weight', '_blocks.0._depthwise_conv.weight', '_blocks.1._expand_conv.weight', '_fc.weight'}
    return needed <= weights.keys() and not any('._se_' in name for name in weights)


def convert(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Renames the parameters of an EfficientNet-Lite.

    Args:
        weights: Their name to tensor.

    Returns:
        The state dict of timm's ``tf_efficientnet_lite0`` to ``lite4``. The tensors are the same.

    Raises:
        UserError: A name is not one of theirs, or no EfficientNet-Lite has as many blocks.
    """
    blocks = {int(found[1]) for found in (re.match(r'_blocks\.(\d+)\.', name) for name in weights) if found}
    if len(blocks) not in STAGES or blocks != set(range(len(blocks))):
        raise UserError(f'the converter of EfficientNet-Lite expects {", ".join(map(str, STAGES))} blocks, got '
                        f'{len(blocks)}. Convert weights of other models with their own converter.')
    places = [f'{stage}.{i}' for stage, repeats in enumerate(STAGES[len(blocks)]) for i in range(repeats)]
    return {_new_name(name, places): tensor for name, tensor in weights.items()}


def _new_name(name: str, places: list[str]) -> str:
    module, _, parameter = name.rpartition('.')
    block = re.fullmatch(r'_blocks\.(\d+)\.(\w+)', module)
    names = _OUTSIDE_BLOCKS if block is None else _IN_BLOCKS if int(block[1]) else _IN_FIRST_BLOCK
    own = names.get(module if block is None else block[2])
    if own is None:
        raise UserError(f'the converter of EfficientNet-Lite expects parameters of EfficientNet-PyTorch, got {name!r}. '
                        'Convert weights of other models with their own converter.')
    return f'{own}.{parameter}' if block is None else f'blocks.{places[int(block[1])]}.{own}.{parameter}'
