"""Which implementation convolves: a table made from measurements.

``python tools/analysis_tools/benchmark_large_kernel.py`` repeats them on a CPU, ``gpu_report.py`` beside it on a GPU;
``docs/large_kernel_conv.md`` shows them.
"""
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import import_module
from types import ModuleType
from typing import NamedTuple

import torch
from torch import Tensor

from mmkd.utils import UserError, nearest

from .blocks import SHORT, capability
from .plain import best_lengths, touching_lengths

NAMES = ('plain', 'matrix', 'fused')
VARIABLE = 'MMKD_LARGE_KERNEL'  # in the environment: the name of one implementation for everything
FUSED_DTYPES = (torch.float16, torch.bfloat16, torch.float32)

_forced: list[str] = []
_broken: list[str] = []


class Work(NamedTuple):
    """What there is to convolve, of kernels what meets more than padding, and on what.

    ``capability`` is the GPU's compute capability, (0, 0) on others; ``onednn`` whether PyTorch has it for the CPU.
    """
    device: str
    capability: tuple[int, int]
    dtype: torch.dtype
    maps: tuple[int, int, int, int]
    kernels: tuple[tuple[int, int], ...]
    onednn: bool

    @property
    def short(self) -> int:
        """The longest of the kernels' shorter sides."""
        return max(min(size) for size in self.kernels)

    @property
    def long(self) -> int:
        """The longest side of any kernel."""
        return max(map(max, self.kernels))

    @property
    def side(self) -> int:
        """The map's shorter side."""
        return min(self.maps[2:])

    @property
    def positions(self) -> int:
        """Rows times columns of all images."""
        return self.maps[0] * self.maps[2] * self.maps[3]

    @property
    def filled(self) -> float:
        """The smallest share of a map's row, or column, that a kernel's longer side fills."""
        rows, columns = self.maps[2:]
        return min(height / rows if height > width else width / columns for height, width in self.kernels)


class Line(NamedTuple):
    """A line of a table."""
    device: str
    fits: Callable[[Work], bool]
    implementation: str


@dataclass(frozen=True, eq=False)
class Table:
    """Lines of which the first that fits is taken; known by its identity, which is quick to look up."""
    lines: tuple[Line, ...]


class Choice(NamedTuple):
    """The module that convolves, and how each kernel is padded first (see ``torch.nn.functional.pad``), or None."""
    module: ModuleType
    paddings: tuple[tuple[int, ...] | None, ...]


# Without oneDNN, as on Apple silicon and in float64, conv2d takes up to 27 times as long as the matrix products, and
# about 100 times in channels_last or with an image's channel as a group.
SLOW_CPU = Line('cpu', lambda work: not work.onednn or work.dtype is torch.float64, 'matrix')

# On an H200, maps up to 8×8: short kernels take 3 to 4 times as long in Triton as by conv2d in channels_last, and long
# ones in float32 1.1 to 1.8 times.
SMALL_ON_HOPPER = Line('cuda', lambda work: work.capability == (9, 0) and work.side <= 8 and (
    work.dtype is torch.float32 or work.long <= SHORT and work.dtype in FUSED_DTYPES), 'plain')

# Forward passes, and gradients of the input, which are forward passes with the kernels turned around.
CONVOLVE = Table((
    SMALL_ON_HOPPER,
    Line('cuda', lambda work: work.dtype in FUSED_DTYPES and triton_works(), 'fused'),
    Line('cuda', lambda work: work.short <= 7 and work.filled >= 0.5, 'matrix'),
    SLOW_CPU,
    Line('any', lambda work: True, 'plain'),
))
WEIGHT_GRADIENTS = Table((
    SMALL_ON_HOPPER,
    Line('cuda', lambda work: work.dtype in FUSED_DTYPES and triton_works(), 'fused'),
    Line('cuda', lambda work: work.short <= 7 and work.filled >= 0.5, 'matrix'),
    SLOW_CPU,
    # 1.0 to 1.8 times as fast as the plain one here; slower on smaller and larger maps, and for square kernels.
    Line('cpu', lambda work: work.short <= 7 and work.filled >= 0.8 and 28 <= work.side <= 64
         and work.positions >= 4 * 56 * 56, 'matrix'),
    Line('any', lambda work: True, 'plain'),
))


def choose(table: Table, input: Tensor, kernels: Sequence[Sequence[int]]) -> Choice:
    """What convolves this input with kernels of these sizes, or shapes."""
    device = input.device
    return _fitting(table, _forced[-1] if _forced else os.environ.get(VARIABLE), device.type, capability(device),
                    input.dtype, input.shape, torch.backends.mkldnn.enabled, *kernels)


@lru_cache(maxsize=4096)
def _fitting(table: Table, forced: str | None, device: str, capability: tuple[int, int], dtype: torch.dtype,
             maps: torch.Size, onednn: bool, *kernels: Sequence[int]) -> Choice:
    sizes = tuple([(kernel[-2], kernel[-1]) for kernel in kernels])
    touching = tuple([touching_lengths(size, maps) for size in sizes])
    work = Work(device, capability, dtype, tuple(maps), touching, onednn and torch.backends.mkldnn.is_available())
    if forced:
        check_name(forced, f'{VARIABLE} or use_implementation')
    name = forced or next(line.implementation for line in table.lines
                          if line.device in (work.device, 'any') and line.fits(work))
    if device == 'cpu' and name == 'plain':
        lengths = [best_lengths(size, maps) for size in sizes]
    else:
        lengths = touching
    return Choice(import_module(f'{__package__}.{name}'),
                  tuple([padding_to(size, length) for size, length in zip(sizes, lengths)]))


def padding_to(size: tuple[int, int], wanted: tuple[int, int]) -> tuple[int, ...] | None:
    """How to pad, or with negative numbers crop, a kernel of one size to another; None if they are the same."""
    rows, columns = [(there - here) // 2 for here, there in zip(size, wanted, strict=True)]
    return (columns, columns, rows, rows) if rows or columns else None


@contextmanager
def use_implementation(name: str) -> Iterator[None]:
    """Takes one implementation for everything within, whatever the table says.

    Args:
        name: ``'plain'``, ``'matrix'`` or ``'fused'`` (Triton).

    Raises:
        UserError: There is none of this name.
    """
    check_name(name, 'use_implementation')
    _forced.append(name)
    try:
        yield
    finally:
        _forced.pop()


def check_name(name: str, what: str) -> None:
    """Raises a UserError if no implementation has this name."""
    if name not in NAMES:
        raise UserError(f'{what} expects one of {", ".join(NAMES)}, got {name!r}. {nearest(name, NAMES)}')


def triton_works() -> bool:
    """Whether Triton is there and has compiled whatever it was given so far."""
    return not _broken and _triton_is_there()


def give_up_triton(error: Exception) -> None:
    """Remembers that a kernel did not compile, or run, on this GPU, and warns once."""
    if not _broken:
        _broken.append(str(error))
        _fitting.cache_clear()
        warnings.warn('Large depthwise convolutions run as matrix products, which is slower: Triton failed with '
                      f'{type(error).__name__}: {error}', stacklevel=2)


@cache
def _triton_is_there() -> bool:
    try:
        import_module('triton')
    except ImportError as error:
        give_up_triton(error)
        return False
    return True
