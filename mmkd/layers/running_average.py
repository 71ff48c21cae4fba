"""The exponential moving average of a model, and when it moves."""
import weakref
from collections.abc import Callable, Iterable

import torch
from mmengine.model import ExponentialMovingAverage
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook

from mmkd.registry import MODELS
from mmkd.utils.precision import has_stepped


@MODELS.register_module()
class RunningAverage(ExponentialMovingAverage):
    r"""The exponential moving average of a model's weights and statistics.

    .. math:: e_t = (1 - m)\, e_{t-1} + m\, w_t

    where t counts the calls of :meth:`update_parameters`: one an optimizer step, however many passes that takes. The
    first call copies. What is averaged: all parameters and, with ``update_buffers``, all saved buffers of real
    numbers, which are the batch norms' running means and variances. Whole numbers are the model's own, and so are the
    buffers of modules that say ``averages_buffers = False``.

    Source: ``ModelEma`` of timm, with which ConvNeXt, SLaK and CSWin are trained.
    Differs from it: that begins with the initial weights, and counts whole numbers in the average.

    Args:
        model: The model; it is copied.
        momentum: m, one minus the decay.
        interval: Calls from one move to the next.
        device: Where the average is. With the model if None.
        update_buffers: Whether to average buffers, too. If not, they are the model's.
    """

    def __init__(self, model: nn.Module, momentum: float = 2e-4, interval: int = 1, device: torch.device | None = None,
                 update_buffers: bool = True) -> None:
        super().__init__(model, momentum, interval, device, update_buffers)
        self.avg_parameters = {}  # MMEngine's copy of the references, which do not follow the model to another device

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Takes the present weights in.

        Args:
            model: The model, after an optimizer step.
        """
        steps, source = int(self.steps), _tensors(model)
        averaged = self._averaged()
        for name, own in _tensors(self.module).items():
            if steps == 0 or name not in averaged:
                own.copy_(source[name])
            elif steps % self.interval == 0:
                self.avg_func(own, source[name].to(own.device), steps)
        self.steps += 1

    def _averaged(self) -> set[str]:
        names = {name for name, _ in self.module.named_parameters()}
        if self.update_buffers:
            names |= self.module.state_dict().keys()
            names -= {f'{prefix}.{name}' for prefix, part in self.module.named_modules()
                      if not getattr(part, 'averages_buffers', True)
                      for name, _ in part.named_buffers(recurse=False)}
        return {name for name, value in _tensors(self.module).items() if name in names and value.is_floating_point()}


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach() for named in (module.named_parameters(), module.named_buffers())
            for name, value in named}


class OptimizerSteps:
    """Knows whether any optimizer has stepped on a module's parameters since it was last asked.

    Steps that a gradient scaler leaves out are none. A copy watches nothing.
    """

    def __init__(self) -> None:
        self._taken = False
        self._module: weakref.ref | None = None

    def __deepcopy__(self, memo: dict) -> 'OptimizerSteps':
        return type(self)()

    def __reduce__(self) -> tuple:
        return type(self), ()

    def watch(self, module: nn.Module) -> None:
        """Begins to watch a module, unless it is being watched."""
        if self._module is None or self._module() is not module:
            first = self._module is None
            self._module = weakref.ref(module)
            if first:
                handle = register_optimizer_step_post_hook(_noting(weakref.ref(self)))
                weakref.finalize(self, handle.remove)

    def taken(self) -> bool:
        """Whether there was a step since the last call."""
        taken, self._taken = self._taken, False
        return taken

    def concerns(self, optimizers: Iterable[object]) -> bool:
        """Whether one of them is an optimizer that holds parameters of the module."""
        module = self._module() if self._module is not None else None
        own = {id(p) for p in module.parameters()} if module is not None else set()
        return any(id(p) in own for optimizer in optimizers if isinstance(optimizer, Optimizer)
                   for group in optimizer.param_groups for p in group['params'])

    def note(self, optimizer: Optimizer) -> None:
        """Takes notice of a step, unless a scaler had it leave the weights alone."""
        self._taken = self._taken or self.concerns([optimizer]) and has_stepped(optimizer)


def _noting(steps: weakref.ref) -> Callable[[Optimizer, tuple, dict], None]:
    def hook(optimizer: Optimizer, args: tuple, kwargs: dict) -> None:
        alive = steps()
        if alive is not None:
            alive.note(optimizer)
    return hook
