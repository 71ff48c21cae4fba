"""Measures backbones side by side: images a second, layouts, and what sparse training adds."""
import argparse
import copy
import logging
import statistics
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import mmkd
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from mmkd.benchmarks.timing import peak_bytes, seconds
from mmkd.layers import kernel_branches as large_kernel
from mmkd.layers.tiles import layer_by_layer
from mmkd.recipes.weightless import pretrained_inits
from mmkd.sparsity import SparseMasks, prunable_weights, uniform
from mmkd.utils import UserError
from mmkd.utils.command_line.cli import ToolParser, one_line_errors
from mmkd.utils.processes.allocator import keep_freed_memory
from mmkd.zoo import load_safely_everywhere

EXPLANATION = """\
All runs are timed in turn, round after round, on the same random images; the ratios are medians over the rounds.

examples:
  python tools/analysis_tools/benchmark_backbone.py convnest-tiny convnext-tiny
  python tools/analysis_tools/benchmark_backbone.py convnest-tiny convnext-tiny --layers --no-update --batch-size 8
  python tools/analysis_tools/benchmark_backbone.py slak-tiny --contiguous
  python tools/analysis_tools/benchmark_backbone.py slak-tiny --sparsity 0.4 --interval 100
"""


def parse_args() -> argparse.Namespace:
    """Parses the command line."""
    parser = ToolParser(
        description=__doc__, epilog=EXPLANATION, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('models', nargs='+', help='names that mmkd.list_models() gives, or configs of classifiers; the '
                        'ratios are those of the first to the others')
    parser.add_argument('--contiguous', action='store_true',
                        help='also run the first with its depthwise convolutions in the contiguous layout')
    parser.add_argument('--layers', action='store_true',
                        help='also run the first layer by layer, where it would run in tiles (ConvNeSt on the CPU)')
    parser.add_argument('--compile', action='store_true', help='also run the first through torch.compile')
    parser.add_argument('--memory', action='store_true', help='also print the most memory that a run takes')
    parser.add_argument('--no-update', action='store_true', help='time forward and backward without the update')
    parser.add_argument('--sparsity', type=float,
                        help='also run the first with masks of this sparsity, applied after each update')
    parser.add_argument('--interval', type=int, default=100,
                        help='with --sparsity: updates between two exchanges, over which one is spread (default: 100)')
    parser.add_argument('--forward', action='store_true', help='time inference instead of a training step')
    parser.add_argument('--batch-size', type=int, default=4, help='images a step (default: 4)')
    parser.add_argument('--size', type=int, default=224, help='side of the images (default: 224)')
    parser.add_argument('--rounds', type=int, default=5, help='rounds to take the median of (default: 5)')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    return parser.parse_args()


@contextmanager
def contiguous_convolutions() -> Iterator[None]:
    """Makes mmkd's depthwise convolutions plain ones, on contiguous maps."""
    def plain(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        padding = tuple(size // 2 for size in weight.shape[2:])
        return F.conv2d(x.contiguous(), weight, bias, padding=padding, groups=len(weight))

    ours = large_kernel.large_kernel_depthwise_conv2d
    large_kernel.large_kernel_depthwise_conv2d = plain
    try:
        with layer_by_layer():  # tiles would call mmkd's kernels
            yield
    finally:
        large_kernel.large_kernel_depthwise_conv2d = ours


class SparseStep:
    """Applies masks as ``DynamicSparsityHook`` does, and knows what an exchange takes."""

    def __init__(self, model: nn.Module, sparsity: float) -> None:
        self.masks = SparseMasks(prunable_weights(model))
        self.generator = torch.Generator().manual_seed(0)
        self.masks.draw(uniform(model, sparsity), self.generator)

    def exchange_seconds(self, device: str) -> float:
        """Seconds of one exchange at a rate of 0.3."""
        return seconds(lambda: self.masks.prune_and_regrow(0.3, 'random', self.generator), device)


def make_step(model: nn.Module, images: Tensor, forward: bool, update: bool = True,
              after: Callable[[], None] | None = None) -> Callable[[], None]:
    """A closure that runs the model once: inference, or forward, backward and, if wanted, an AdamW update."""
    if forward:
        model.eval()

        def infer() -> None:
            with torch.inference_mode():
                model(images, mode='tensor')

        return infer
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)

    def train() -> None:
        out = model(images, mode='tensor')
        optimizer.zero_grad()
        (out[-1] if isinstance(out, tuple) else out).square().mean().backward()
        if update:
            optimizer.step()
        if after:
            after()

    return train


def build(name: str, device: str) -> nn.Module:
    """A classifier by name, with random weights: as its config initialises them, but of no file."""
    model = mmkd.get_model(name)
    for module in model.modules():
        if pretrained_inits(getattr(module, 'init_cfg', None)):
            module.init_cfg = None
    model.init_weights()
    return model.to(device)


def make_runs(args: argparse.Namespace, images: Tensor) -> tuple[dict[str, tuple], float]:
    """Name to closure and context of each run, and the seconds of an exchange spread over the interval."""
    runs, update = {}, not args.no_update
    first = build(args.models[0], args.device)
    runs[args.models[0]] = (make_step(first, images, args.forward, update), nullcontext)
    for name in args.models[1:]:
        runs[name] = (make_step(build(name, args.device), images, args.forward, update), nullcontext)
    if args.layers:
        runs[f'{args.models[0]}, layer by layer'] = (make_step(first, images, args.forward, update), layer_by_layer)
    if args.compile:
        compiled = torch.compile(copy.deepcopy(first))
        runs[f'{args.models[0]}, compiled'] = (make_step(compiled, images, args.forward, update), nullcontext)
    if args.contiguous:
        runs[f'{args.models[0]}, contiguous'] = (
            make_step(first, images, args.forward, update), contiguous_convolutions)
    spread = 0.
    if args.sparsity is not None:
        sparse = SparseStep(first, args.sparsity)
        spread = sparse.exchange_seconds(args.device) / args.interval
        runs[f'{args.models[0]}, sparse'] = (
            make_step(first, images, args.forward, update, None if args.forward else sparse.masks.apply), nullcontext)
    return runs, spread


@one_line_errors
def main() -> None:
    """Measures and prints."""
    args = parse_args()
    load_safely_everywhere()
    if min(args.rounds, args.batch_size, args.size, args.interval) < 1:
        raise UserError('--rounds, --batch-size, --size and --interval expect 1 or more.')
    if args.device == 'cpu':
        keep_freed_memory()  # as a training does
    logging.disable(logging.INFO)  # MMEngine logs how it initialises each parameter
    torch.manual_seed(0)
    images = torch.randn(args.batch_size, 3, args.size, args.size, device=args.device)
    runs, spread = make_runs(args, images)
    times: dict[str, list[float]] = {name: [] for name in runs}
    for number in tqdm(range(args.rounds + 1), unit='round', file=sys.stderr):
        for name, (step, context) in runs.items():
            with context():
                elapsed = seconds(step, args.device)
            if number:  # the first warms up
                times[name].append(elapsed + (spread if name.endswith(', sparse') else 0))
    kind = 'inference' if args.forward else 'forward and backward' if args.no_update else 'training steps'
    print(f'{kind}, {args.batch_size} images of {args.size}x{args.size} on {args.device}, '
          f'medians of {args.rounds} rounds')
    print(f'{"":<40}{"images/s":>10}{"first / this":>14}{"  peak (MiB)" if args.memory else ""}')
    first = times[args.models[0]]
    for name, values in times.items():
        ratio = statistics.median(other / own for own, other in zip(first, values))
        step, context = runs[name]
        with context():
            peak = f'{peak_bytes(step, args.device) / 2**20:>12.0f}' if args.memory else ''
        print(f'{name:<40}{args.batch_size / statistics.median(values):>10.2f}{ratio:>14.3f}{peak}')


if __name__ == '__main__':
    sys.exit(main())
