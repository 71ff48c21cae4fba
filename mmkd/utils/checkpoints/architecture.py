"""What a state dict tells of the architecture that it belongs to."""
import re
from collections import defaultdict
from collections.abc import Mapping

from torch import Tensor


def settings_of(weights: Mapping[str, Tensor]) -> dict[str, object]:
    """Infers the settings of a ConvNet with stages (SLaK, ConvNeSt, ConvNeXt) from its tensors.

    Args:
        weights: Parameter name to tensor, as mmkd and mmpretrain name them.

    Returns:
        What was found of ``depths``, ``channels``, ``kernel_sizes`` (a stage each), ``small_kernel``, ``branches``
        (of the large kernels), ``branch_norms`` and ``num_classes``.
    """
    weights = {name.removeprefix('backbone.'): tensor for name, tensor in weights.items()}
    found: dict[str, object] = {}
    stages: defaultdict[int, set[int]] = defaultdict(set)
    for name in weights:
        block = re.match(r'stages\.(\d+)\.(\d+)\.', name)
        if block:
            stages[int(block[1])].add(int(block[2]))
    if stages:
        found['depths'] = tuple(len(stages[stage]) for stage in sorted(stages))
        found['channels'] = tuple(_channels(weights, stage) for stage in sorted(stages))
        kernels = tuple(_kernel(weights, stage) for stage in sorted(stages))
        if any(kernels):
            found['kernel_sizes'] = kernels
        found |= _large_kernel(weights)
    if 'head.fc.weight' in weights:
        found['num_classes'] = len(weights['head.fc.weight'])
    return found


def contradictions(checkpoint: Mapping[str, Tensor], model: Mapping[str, Tensor]) -> str:
    """Names the settings in which a checkpoint and a model differ.

    Args:
        checkpoint: Parameter name to tensor of the checkpoint.
        model: The same of the model.

    Returns:
        ``'kernel_sizes is (51, …) in the checkpoint and (31, …) in the model'`` and so on; empty if there are none.
    """
    theirs, ours = settings_of(checkpoint), settings_of(model)
    return ', '.join(f'{key} is {theirs[key]} in the checkpoint and {ours[key]} in the model'
                     for key in theirs if key in ours and theirs[key] != ours[key])


def _channels(weights: Mapping[str, Tensor], stage: int) -> int | None:
    for index in (0, 1):
        weight = weights.get(f'downsample_layers.{stage}.{index}.weight')
        if weight is not None and weight.dim() == 4:
            return len(weight)
    return None


def _kernel(weights: Mapping[str, Tensor], stage: int) -> int | None:
    block = f'stages.{stage}.0.'
    for name in ('large_kernel.vertical.conv', 'large_kernel.large.conv', 'depthwise_conv'):
        if f'{block}{name}.weight' in weights:
            return weights[f'{block}{name}.weight'].shape[2]
    return None


def _large_kernel(weights: Mapping[str, Tensor]) -> dict[str, object]:
    found: dict[str, object] = {}
    prefix = 'stages.0.0.large_kernel.'
    branches = sorted({name.removeprefix(prefix).split('.')[0] for name in weights if name.startswith(prefix)})
    if branches:
        found['branches'] = ', '.join(branches)
        found['branch_norms'] = any('.bn.' in name for name in weights if name.startswith(prefix))
        short = weights.get(f'{prefix}vertical.conv.weight', weights.get(f'{prefix}small.conv.weight'))
        found['small_kernel'] = None if short is None else short.shape[3]
    return found
