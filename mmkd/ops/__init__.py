"""Kernels, and the fallback for mmcv's compiled ops."""
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .large_kernel import large_kernel_depthwise_conv2d

__all__ = ['large_kernel_depthwise_conv2d']


def __getattr__(name: str) -> Any:
    # `import mmkd` passes here on its way to the fallback, and must not import torch.
    if name == 'large_kernel_depthwise_conv2d':
        return import_module('.large_kernel', __name__).large_kernel_depthwise_conv2d
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
