"""ResNet: from the names of torchvision, timm and (for CIFAR) RepDistiller to those of mmpretrain and mmkd."""
from collections.abc import Mapping

from torch import Tensor


def matches(weights: Mapping[str, Tensor]) -> bool:
    """Tells whether the names are torchvision's, which timm's plain ResNets and RepDistiller's share.

    Args:
        weights: Parameter name to tensor.

    Returns:
        Whether :func:`convert` takes it.
    """
    return {'conv1.weight', 'bn1.weight', 'layer1.0.conv1.weight', 'layer3.0.downsample.0.weight'} <= weights.keys()


def convert(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Renames the parameters of a ResNet.

    Args:
        weights: Their name to tensor.

    Returns:
        The state dict of an mmpretrain ``ImageClassifier`` with ``ResNet`` or ``mmkd.CIFARResNet``. The tensors
        are the same.
    """
    return {name.replace('fc.', 'head.fc.') if name.startswith('fc.') else f'backbone.{name}': tensor
            for name, tensor in weights.items()}
