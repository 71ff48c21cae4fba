"""ResNet: from the names of torchvision and timm to those of mmpretrain."""
from collections.abc import Mapping

from torch import Tensor


def matches(weights: Mapping[str, Tensor]) -> bool:
    """Tells whether the names are torchvision's, which timm's plain ResNets share.

    Args:
        weights: Parameter name to tensor.

    Returns:
        Whether :func:`convert` takes it.
    """
    return {'conv1.weight', 'bn1.weight', 'layer1.0.conv1.weight', 'layer4.0.downsample.0.weight'} <= weights.keys()


def convert(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Renames the parameters of a ResNet.

    Args:
        weights: Their name to tensor.

    Returns:
        The state dict of an mmpretrain ``ImageClassifier`` with ``ResNet``. The tensors are the same.
    """
    return {name.replace('fc.', 'head.fc.') if name.startswith('fc.') else f'backbone.{name}': tensor
            for name, tensor in weights.items()}
