"""Trying something out without a trace in the objects that take part."""
import itertools
import random
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import GeneratorType

import numpy as np
import torch
from torch import Tensor, nn

Restore = Callable[[], object]
ONE_WAY = GeneratorType, type(itertools.tee(())[0])


@contextmanager
def unchanged_state(*roots: object) -> Iterator[None]:
    """Puts objects back as they were, whatever happened in between.

    Of each root, and of all modules below it, every attribute: parameters and buffers (saved or not), modes, numbers,
    tensors, and what is in lists, dicts and sets. Tensors and containers keep their identity. Attributes of other
    objects are left alone: an object that shall be put back is a root. Values of tensors are copied meanwhile.

    Args:
        *roots: Modules, samplers, or any objects with attributes.
    """
    steps: list[Restore] = []
    seen: set[int] = set()
    for root in roots:
        _record(vars(root), steps, seen)
    try:
        yield
    finally:
        for restore in steps:
            restore()


def _record(value: object, steps: list[Restore], seen: set[int]) -> None:
    """Adds what puts a value back, and what it holds."""
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, nn.Module):
        return _record(vars(value), steps, seen)
    if isinstance(value, Tensor):
        steps.append(_tensor(value))
    elif isinstance(value, dict | list | set | deque):
        _record_container(value, steps, seen)
    elif isinstance(value, tuple):
        for item in value:
            _record(item, steps, seen)
    elif isinstance(value, torch.Generator):
        state = value.get_state()
        steps.append(lambda: value.set_state(state))
    elif isinstance(value, random.Random):
        state = value.getstate()
        steps.append(lambda: value.setstate(state))
    elif isinstance(value, np.random.Generator):
        state = value.bit_generator.state
        steps.append(lambda: setattr(value.bit_generator, 'state', state))
    return None


def _record_container(value: dict | list | set | deque, steps: list[Restore], seen: set[int]) -> None:
    content = value.copy()
    if isinstance(value, dict):
        for key, item in content.items():
            if isinstance(item, ONE_WAY):  # what it gives meanwhile is given once more
                value[key], content[key] = itertools.tee(item)
    for item in content.values() if isinstance(content, dict) else content:
        _record(item, steps, seen)

    def restore() -> None:
        value.clear()
        (value.extend if isinstance(value, list | deque) else value.update)(content)

    steps.append(restore)


def _tensor(value: Tensor) -> Restore:
    kept = value.detach().clone()

    @torch.no_grad()
    def restore() -> None:
        if value.shape != kept.shape:
            value.set_(kept)
        elif not _are_equal(value, kept):
            value.copy_(kept)

    return restore


def _are_equal(value: Tensor, kept: Tensor) -> bool:
    """Whether all is as it was, NaN too: what is not written to can still be differentiated."""
    return torch.equal(value, kept) or bool(((value == kept) | (value != value) & (kept != kept)).all())
