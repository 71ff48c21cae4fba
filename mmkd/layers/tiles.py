"""When a function may stand in for modules: where nothing would notice that they are not called."""
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn.modules import module as module_hooks

from .kernel_branches import LargeKernelConv2d

REPLACEABLE = (nn.Linear, nn.LayerNorm, nn.GELU, LargeKernelConv2d)
HOOKS = ('_forward_hooks', '_forward_pre_hooks', '_backward_hooks', '_backward_pre_hooks')
OF_ALL = [getattr(module_hooks, f'_global{name}') for name in HOOKS]  # dicts that PyTorch fills, and never replaces

_switched_off: list[bool] = []


@contextmanager
def layer_by_layer() -> Iterator[None]:
    """Calls every module by itself within, as is done where something watches them."""
    _switched_off.append(True)
    try:
        yield
    finally:
        _switched_off.pop()


def runs_in_tiles(x: Tensor, modules: Sequence[nn.Module]) -> bool:
    """Whether :func:`mmkd.ops.nested.nested_convolution` may stand in for these modules.

    It does in float32 on CPUs with oneDNN, where it was measured, outside autocast. It does not while something traces,
    exports, compiles, transforms or watches the pass, nor if a module has a hook or is not what a new block has.

    Args:
        x: Their input.
        modules: The modules.
    """
    if type(x) is not Tensor or x.device.type != 'cpu' or _switched_off or _is_watched():
        return False
    params = [param for module in modules for param in module.parameters()]
    return (torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled
            and not torch.is_autocast_enabled('cpu') and x.numel() > 0 and all(map(_is_untouched, modules))
            and all(tensor.dtype is torch.float32 and tensor.device == x.device for tensor in (x, *params)))


def _is_watched() -> bool:
    """Whether operators, or all modules, are recorded or transformed on their way."""
    return (torch.compiler.is_compiling() or torch.jit.is_tracing() or any(OF_ALL)
            or torch._C._len_torch_dispatch_stack() > 0 or torch._C._len_torch_function_stack() > 0
            or torch._C._functorch.peek_interpreter_stack() is not None or forward_ad._current_level >= 0)


def _is_untouched(module: nn.Module) -> bool:
    """Whether a module does what its class does, and tells nobody."""
    if type(module) not in REPLACEABLE or 'forward' in vars(module) or any(getattr(module, name) for name in HOOKS):
        return False
    if isinstance(module, nn.GELU):
        return module.approximate == 'none'
    return all(type(param) is nn.Parameter for param in (module.weight, module.bias))
