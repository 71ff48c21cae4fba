"""Whether what a training step computed is finite, asked without waiting for the device."""
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from mmengine.dist import all_reduce, get_world_size
from mmengine.model import is_model_wrapper
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from mmkd.utils.precision import has_stepped

LARGEST_LOSS = 1e12  # Adam squares gradients: of greater losses they overflow, and weights no longer move
LARGEST_RMS = 1e3  # of a parameter, where it did not begin with more
MOST_SKIPPED = 40  # updates in a row, in mixed precision: a dynamic scale has fallen to its smallest before
SMALLEST_SCALE = 2.**-24  # of the loss, in mixed precision: it began at 2¹⁶, and each overflow halves it
Name = tuple[str, str]  # 'loss', 'teacher', 'weight', 'scale', 'skipped', 'state' or 'buffer', and which


@dataclass(frozen=True)
class Reading:
    """The numbers of one training step, on their way to the host.

    Args:
        step: Which it is, in words.
        names: What they are.
        limits: What each has to stay below.
        values: This process's numbers; on the host once they have come. Of several processes one more, which is not 0
            if any of them has a bad one.
        arrival: Recorded behind their copy; None where they are there.
        batch: What the data loader gave.
    """
    step: str
    names: tuple[Name, ...]
    limits: tuple[float, ...]
    values: Tensor
    arrival: torch.cuda.Event | None
    batch: object

    def is_bad(self) -> bool:
        """Whether any process has a number that is not finite or too large; the same answer in all of them."""
        if self.arrival is not None:
            self.arrival.synchronize()
        return bool(self.values[-1] > 0) if len(self.values) > len(self.names) else bool(self.bad())

    def bad(self) -> dict[Name, float]:
        """The bad numbers of this process."""
        return {name: value for name, value, limit in zip(self.names, self.values.tolist(), self.limits)
                if not -limit < value < limit}


class FiniteGuard:
    """Reads the losses, the teachers' taps and the weights of each training step.

    Weights are read only after an update of theirs: gradients that overflow under dynamic loss scaling, where the
    update is skipped, are no fault; :data:`MOST_SKIPPED` in a row are one. Optimizers that go by the gradients' signs
    let none of them into the weights: what they keep is read with the buffers.

    Args:
        model: The model, with or without its wrapper, before its first step.
        wrapper: Its optimizer wrapper, or a dict of such.
    """

    def __init__(self, model: nn.Module, wrapper: object) -> None:
        self.model = model.module if is_model_wrapper(model) else model
        self._wrappers = list(wrapper.values()) if isinstance(wrapper, Mapping) or hasattr(
            wrapper, 'optim_wrappers') else [wrapper]
        self._optimizers = [item.optimizer for item in self._wrappers]
        known = {id(parameter): name for name, parameter in model.named_parameters()}
        self._weights = {known.get(id(p), f'parameter {i}').removeprefix('module.'): p for i, p in enumerate(
            p for optimizer in self._optimizers for group in optimizer.param_groups for p in group['params'])
            if p.is_floating_point() and p.numel()}
        self._parameters = list(self._weights.values())
        self._device = next(iter(self._parameters), torch.zeros(())).device
        self._on_one = all(parameter.device == self._device for parameter in self._parameters)
        start = [float(norm) for norm in _norms(self._parameters)]
        self.unfit = [name for name, norm in zip(self._weights, start, strict=True) if not math.isfinite(norm)]
        self._largest = dict(zip(self._weights, (
            LARGEST_RMS * max(math.sqrt(p.numel()), norm) for p, norm in zip(self._parameters, start)),
            strict=True))
        finite = {name: value for name, value in self._buffers() if value.isfinite()}
        self._finite_buffers = finite.keys()
        self._known: dict[tuple[tuple[Name, ...], bool], tuple[tuple[Name, ...], tuple[float, ...]]] = {}
        self._limits: dict[tuple[float, ...], Tensor] = {}
        self._stepped, self._without = False, 0
        self._handles: list[RemovableHandle] = [
            optimizer.register_step_post_hook(self._note_step) for optimizer in self._optimizers
            if hasattr(optimizer, 'register_step_post_hook')]

    @torch.no_grad()
    def read(self, outputs: object, step: str, batch: object = None, buffers: bool = False) -> Reading:
        """Reads the step that was just done.

        Args:
            outputs: What ``train_step`` returned.
            step: Which it is, in words.
            batch: What it was given.
            buffers: Whether to look at the buffers as well, those that were finite at first, and at what the
                optimizers keep.
        """
        numbers = dict(self._numbers(outputs))
        self._without = 0 if self._stepped else self._without + 1
        if self._without > MOST_SKIPPED * self.accumulated and any(kind == 'scale' for kind, _ in numbers):
            numbers['skipped', 'updates'] = torch.tensor(math.inf)
        if buffers:
            numbers |= {('buffer', name): value for name, value in self._buffers() if name in self._finite_buffers}
            numbers |= {('state', name): value for name, value in self._states()}
        names, limits = self._names_and_limits(tuple(numbers), self._stepped)
        values = [value.to(self._device, torch.float32) for value in numbers.values()]
        if self._stepped:
            values += _norms(self._parameters) if self._on_one else [
                norm.to(self._device) for norm in _norms(self._parameters)]
        self._stepped = False
        together = torch.stack(values) if values else torch.zeros(0, device=self._device)
        if get_world_size() > 1:
            together = torch.cat([together, _any_process(together.abs() < self._on_device(limits))])
        return Reading(step, names, limits, *_to_host(together), batch)

    def size(self, weight: str) -> int:
        """How many numbers a weight has."""
        return self._weights[weight].numel()

    @property
    def accumulated(self) -> int:
        """How many steps' gradients an update takes."""
        return max(getattr(wrapper, '_accumulative_counts', 1) for wrapper in self._wrappers)

    def learning_rates(self) -> list[float]:
        """The largest learning rate of each optimizer."""
        return [max(float(group['lr']) for group in optimizer.param_groups) for optimizer in self._optimizers]

    def close(self) -> None:
        """Lets go of the optimizers."""
        for handle in self._handles:
            handle.remove()

    def _numbers(self, outputs: object) -> Iterator[tuple[Name, Tensor]]:
        for name, value in (outputs.items() if isinstance(outputs, Mapping) else ()):
            if 'loss' in name and isinstance(value, (Tensor, float, int)):
                value = torch.as_tensor(value)
                yield ('loss', name), value.float().mean() if value.dim() else value
        for name, value in getattr(self.model, 'teacher_sums', {}).items():
            yield ('teacher', name), value
        for i, wrapper in enumerate(self._wrappers):
            scale = getattr(getattr(wrapper, 'loss_scaler', None), '_scale', None)
            if isinstance(scale, Tensor):
                yield ('scale', str(i)), scale.reciprocal()

    def _names_and_limits(self, names: tuple[Name, ...],
                          weights: bool) -> tuple[tuple[Name, ...], tuple[float, ...]]:
        """All names of a step, and what their numbers have to stay below: put together once, not in every step."""
        if (names, weights) not in self._known:
            known, added = dict(loss=LARGEST_LOSS, scale=1 / SMALLEST_SCALE), self._largest if weights else {}
            self._known[names, weights] = (
                (*names, *(('weight', name) for name in added)),
                (*(known.get(kind, math.inf) for kind, _ in names), *added.values()))
        return self._known[names, weights]

    def _on_device(self, limits: tuple[float, ...]) -> Tensor:
        if limits not in self._limits:
            self._limits[limits] = torch.tensor(limits, device=self._device)
        return self._limits[limits]

    def _buffers(self) -> Iterator[tuple[str, Tensor]]:
        buffers = {name: value for name, value in self.model.named_buffers()
                   if value.is_floating_point() and value.numel()}
        yield from zip(buffers, _norms(buffers.values()))

    def _states(self) -> Iterator[tuple[str, Tensor]]:
        weights = {id(parameter): name for name, parameter in self._weights.items()}
        states = {f'{key} of {weights[id(parameter)]}': value for optimizer in self._optimizers
                  for parameter, state in getattr(optimizer, 'state', {}).items() if id(parameter) in weights
                  for key, value in state.items()
                  if isinstance(value, Tensor) and value.is_floating_point() and value.numel()}
        yield from zip(states, _norms(states.values()))

    def _note_step(self, optimizer: Optimizer, *_: object) -> None:
        self._stepped = self._stepped or has_stepped(optimizer)


@torch.no_grad()
def _norms(tensors: Iterable[Tensor]) -> list[Tensor]:
    """The length of each tensor in fp32, in few kernels (the function that clips gradients uses the same)."""
    wide = [tensor if tensor.dtype == torch.float32 else tensor.float() for tensor in tensors]
    return list(torch._foreach_norm(wide)) if wide else []


def _any_process(good: Tensor) -> Tensor:
    """One number for all processes: 0 where everything is good in each of them."""
    bad = good.all().logical_not().float()[None]
    all_reduce(bad, 'max')
    return bad


def _to_host(values: Tensor) -> tuple[Tensor, torch.cuda.Event | None]:
    """Starts a copy; away from CUDA it is waited for."""
    if values.device.type != 'cuda':
        return values.cpu(), None
    host = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
    host.copy_(values, non_blocking=True)
    arrival = torch.cuda.Event()
    arrival.record()
    return host, arrival
