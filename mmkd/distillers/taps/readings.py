"""What the taps of a model read in one forward pass, as the tapped modules returned it."""
from collections.abc import Callable, Collection, Mapping

import torch
from torch import Tensor


class Versions:
    """Notices whether tensors are changed in place, by the counters that PyTorch keeps; values are not compared.

    Tensors of the inference mode, and those of a pass that is being compiled, have no counter and are not watched.
    """

    def __init__(self) -> None:
        self._seen: list[tuple[str, Tensor, int]] = []

    def watch(self, name: str, value: object) -> None:
        """Remembers the state of a tensor, or of all tensors of a list, under a name."""
        if isinstance(value, list):
            for item in value:
                self.watch(name, item)
        elif isinstance(value, Tensor) and not torch.compiler.is_compiling() and not value.is_inference():
            self._seen.append((name, value, value._version))

    def changed(self) -> set[str]:
        """The names of what has been changed since."""
        return {name for name, tensor, version in self._seen if tensor._version != version}


class Reading:
    """One forward pass under way.

    Args:
        copied: Names of what has to be copied since the model changes it in place later; None for everything.
        ends_after: How often each tapped module runs in a whole pass, to end this one thereafter; None for a whole one.
        watched: Whether to notice changes in place.

    Attributes:
        tensors: Tap name to tensor or list of tensors.
        runs: Tap name to the number of times that its module has run.
        detached: Taps inside a part of the pass that runs without gradients, in a pass that has them otherwise.
    """

    def __init__(self, copied: Collection[str] | None, ends_after: Mapping[str, int] | None, watched: bool) -> None:
        self.tensors: dict[str, Tensor | list[Tensor]] = {}
        self.runs: dict[str, int] = {}
        self.detached: list[str] = []
        self._copied = copied
        self._ends_after = ends_after
        self._versions = Versions() if watched else None
        self._has_gradients = torch.is_grad_enabled()

    def snapshot(self, name: str, value: object) -> object:
        """A value as it is now: a copy, or the value itself where a change would be noticed.

        The history of what is returned begins at the same place in the graph with and without a copy, so that gradients
        are added up in the same order.
        """
        self._watch(name, value)
        return _each(torch.clone if self._is_copied(name) else _alias, value)

    def input_for_model(self, name: str, value: Tensor) -> Tensor:
        """A tensor to hand to the model that has to stay as it is: the tensor itself, or a copy."""
        value = value.clone() if self._is_copied(name) else value
        self._watch(name, value)
        return value

    def _is_copied(self, name: str) -> bool:
        return self._copied is None or name in self._copied

    def _watch(self, name: str, value: object) -> None:
        known_to_change = self._copied is not None and name in self._copied
        if self._versions is not None and not known_to_change:
            self._versions.watch(name, value)

    def add(self, name: str, value: object, every_run: bool) -> None:
        """Takes in what a tap has read: the last run counts, or all of them."""
        self.runs[name] = self.runs.get(name, 0) + 1
        if every_run:
            self.tensors.setdefault(name, []).append(value)
        else:
            self.tensors[name] = value
        if self._has_gradients and not torch.is_grad_enabled():
            self.detached.append(name)

    def is_over(self) -> bool:
        """Whether nothing that is read comes any more."""
        return self._ends_after is not None and all(
            self.runs.get(name, 0) >= runs for name, runs in self._ends_after.items())

    def changed(self) -> set[str]:
        """What the model has changed in place after it was read."""
        return set() if self._versions is None else self._versions.changed()


def _alias(tensor: Tensor) -> Tensor:
    return tensor.view_as(tensor) if tensor.requires_grad else tensor


def _each(function: Callable[[Tensor], Tensor], value: object) -> object:
    if isinstance(value, list):
        return [_each(function, item) for item in value]
    return function(value) if isinstance(value, Tensor) else value
