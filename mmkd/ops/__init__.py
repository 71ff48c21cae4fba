"""Kernels, and the fallback for mmcv's compiled ops."""
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .depthwise.choice import use_implementation
    from .large_kernel import large_kernel_depthwise_branches, large_kernel_depthwise_conv2d

__all__ = ['large_kernel_depthwise_branches', 'large_kernel_depthwise_conv2d', 'use_implementation']


def __getattr__(name: str) -> Any:
    # `import mmkd` passes here on its way to the fallback, and must not import torch.
    if name == 'use_implementation':
        return import_module('.depthwise.choice', __name__).use_implementation
    if name in __all__:
        return getattr(import_module('.large_kernel', __name__), name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
