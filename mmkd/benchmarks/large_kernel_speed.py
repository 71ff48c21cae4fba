"""Time, memory and error of the large depthwise convolution, beside plain ``conv2d``."""
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from mmkd.ops.depthwise.plain import cpu_layout
from mmkd.ops.large_kernel import large_kernel_depthwise_branches

from .timing import seconds

CONTIGUOUS, CHANNELS_LAST, OURS = 'conv2d contiguous', 'conv2d channels_last', 'mmkd'
PLAIN = {CONTIGUOUS: torch.contiguous_format, CHANNELS_LAST: torch.channels_last}
Branches = Callable[[Tensor, Sequence[Tensor]], Sequence[Tensor]]


@dataclass(frozen=True)
class Case:
    """Maps and the kernels that convolve them.

    Args:
        name: What it is called in tables.
        maps: (N, C, H, W).
        kernels: Height and width of each kernel.
        training: Whether the backward pass is timed too.
        device: Where.
        dtype: The type of all tensors.
    """
    name: str
    maps: tuple[int, int, int, int]
    kernels: tuple[tuple[int, int], ...]
    training: bool
    device: str = 'cpu'
    dtype: torch.dtype = torch.float32

    def tensors(self, layout: torch.memory_format) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """Input, kernels and the gradients of the results, all random."""
        generator = torch.Generator().manual_seed(0)

        def draw(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator).to(self.device, self.dtype)

        maps = draw(*self.maps).contiguous(memory_format=layout)
        weights = [draw(self.maps[1], 1, *size) / (size[0] * size[1]) ** 0.5 for size in self.kernels]
        grads = [draw(*self.maps).contiguous(memory_format=layout) for _ in weights]
        for leaf in (maps, *weights) if self.training else ():
            leaf.requires_grad_()
        return maps, weights, grads


def conv2d_branches(input: Tensor, weights: Sequence[Tensor]) -> list[Tensor]:
    """PyTorch's own convolution, a call for each kernel."""
    return [F.conv2d(input, weight, padding=[size // 2 for size in weight.shape[2:]], groups=len(weight))
            for weight in weights]


def make_run(case: Case, branches: Branches, layout: torch.memory_format) -> Callable[[], None]:
    """A closure that convolves once, and computes all gradients if the case is one of training."""
    maps, weights, grads = case.tensors(layout)

    def run() -> None:
        if not case.training:
            with torch.inference_mode():
                branches(maps, weights)
            return
        torch.autograd.grad(branches(maps, weights), [maps, *weights], grads)

    return run


@dataclass
class Timing:
    """Seconds of each round, by the name of what ran."""
    case: Case
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def median(self, name: str) -> float:
        """The median of its rounds, in milliseconds."""
        return 1000 * statistics.median(self.seconds[name])

    def ratio(self, others: Iterable[str]) -> float:
        """How many times as long the fastest of the others takes, by medians."""
        return min(self.median(name) for name in others) / self.median(OURS)


def runs_of(case: Case) -> dict[str, Callable[[], None]]:
    """What is timed side by side: ``conv2d`` in both layouts, and ours on maps in the layout that it prefers."""
    runs = {name: make_run(case, conv2d_branches, layout) for name, layout in PLAIN.items()}
    layout = torch.contiguous_format
    if case.device == 'cpu':
        layout = cpu_layout(torch.empty(case.maps, device='meta'), [torch.empty(1, 1, *size) for size in case.kernels])
    return {OURS: make_run(case, large_kernel_depthwise_branches, layout), **runs}


def time_all(cases: Sequence[Case], rounds: int, progress: Mapping[str, object] | None = None) -> list[Timing]:
    """Times every case as :func:`time_runs` does.

    Args:
        cases: What to time.
        rounds: Rounds to take medians of.
        progress: Options of the progress bar.
    """
    return [time_runs(case, runs_of(case), rounds) for case in tqdm(cases, unit='case', **(progress or {}))]


def time_runs(case: Case, runs: Mapping[str, Callable[[], None]], rounds: int) -> Timing:
    """Times runs in turn, round after round, after two to warm up.

    A layout of ``conv2d`` that takes over three times as long as the other in these is not run again; what takes
    less than 100 ms is called several times in a row.

    Args:
        case: What they compute.
        runs: What is timed, by name, all of :data:`PLAIN` among them.
        rounds: Rounds to take medians of.
    """
    first = {name: min(seconds(run, case.device) for _ in range(2)) for name, run in runs.items()}
    slow = [name for name in PLAIN if first[name] > 3 * min(first[other] for other in PLAIN)]
    timing = Timing(case, {name: [first[name]] if name in slow else [] for name in runs})
    for _ in tqdm(range(rounds), unit='round', desc=case.name, leave=False):
        for name in runs.keys() - slow:
            timing.seconds[name].append(_seconds_a_call(runs[name], first[name], case.device))
    return timing


def _seconds_a_call(run: Callable[[], None], estimate: float, device: str) -> float:
    calls = max(1, round(0.1 / estimate))

    def repeat() -> None:
        for _ in range(calls):
            run()

    return seconds(repeat, device) / calls


def relative_error(case: Case, branches: Branches, layout: torch.memory_format) -> float:
    """The largest relative error of results and gradients against ``conv2d`` in float64, in the Euclidean norm."""
    maps, weights, grads = case.tensors(layout)
    found = branches(maps, weights)
    exact_maps, *exact_weights = (tensor.detach().double().requires_grad_() for tensor in (maps, *weights))
    exact = conv2d_branches(exact_maps, exact_weights)
    pairs = list(zip(found, exact))
    if case.training:
        pairs += zip(torch.autograd.grad(found, [maps, *weights], grads),
                     torch.autograd.grad(exact, [exact_maps, *exact_weights], [grad.double() for grad in grads]))
    return max(((one.double() - other).norm() / other.norm()).item() for one, other in pairs)
