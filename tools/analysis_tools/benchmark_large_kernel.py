"""Measures the large depthwise convolution beside conv2d in both layouts."""
import argparse
import logging
import statistics
import sys
from pathlib import Path

import mmkd
import torch
from matplotlib.figure import Figure

from mmkd.benchmarks.large_kernel_speed import (
    CHANNELS_LAST,
    CONTIGUOUS,
    OURS,
    PLAIN,
    Case,
    conv2d_branches,
    relative_error,
    runs_of,
    time_all,
    time_runs,
)
from mmkd.benchmarks.timing import peak_bytes
from mmkd.layers import LargeKernel
from mmkd.layers import kernel_branches as large_kernel
from mmkd.ops import large_kernel_depthwise_branches
from mmkd.utils import UserError
from mmkd.utils.command_line.cli import ToolParser, one_line_errors
from mmkd.utils.command_line.tables import markdown_table
from mmkd.utils.files.figures import save_figure
from mmkd.utils.versions import usable_cores

DTYPES = dict(fp32=torch.float32, bf16=torch.bfloat16, fp16=torch.float16)
KERNEL_SIZES = (3, 7, 13, 21, 31, 51, 71, 91, 127)
MAP_SIZES = (7, 14, 28, 56, 84, 112)
PARTS = ('branches', 'stages', 'model', 'plot')


def parse_args() -> argparse.Namespace:
    """Parses the command line."""
    parser = ToolParser(
        description=f'{__doc__} All runs of a case are timed in turn, round after round; ratios are of medians over '
        'the rounds, and above 1 where mmkd is faster. The sizes are those of the models at 224x224. Prints Markdown.')
    parser.add_argument('--parts', nargs='+', choices=PARTS, default=list(PARTS),
                        help='branches: each kernel alone, against the better layout; stages: the three branches of a '
                        'stage, forward and backward, with memory and error, against channels_last; model: SLaK-T as '
                        'a whole; plot: time against kernel and map size (default: all)')
    parser.add_argument('--models', nargs='+', default=['slak-tiny', 'slak-base'], metavar='NAME')
    parser.add_argument('--batch-sizes', nargs='+', type=int, default=[1, 4, 16], metavar='N')
    parser.add_argument('--rounds', type=int, default=5, help='rounds to take the median of (default: 5)')
    parser.add_argument('--dtype', choices=DTYPES, default='fp32')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--without-onednn', action='store_true',
                        help="run without oneDNN, as PyTorch's builds for Apple silicon do")
    parser.add_argument('--plot', type=Path, default=Path('work_dirs/large_kernel_conv.png'), metavar='FILE',
                        help='where to draw (default: %(default)s)')
    args = parser.parse_args()
    if min(args.rounds, *args.batch_sizes) < 1:
        raise UserError('--rounds and --batch-sizes expect 1 or more.')
    return args


def stages(name: str) -> list[tuple[int, int, tuple[tuple[int, int], ...]]]:
    """Channels, side of the map, and kernel sizes of each stage's large kernel."""
    sides = {}
    layers = [layer for layer in mmkd.get_model(name).modules() if isinstance(layer, LargeKernel)]
    if not layers:
        raise UserError(f'--models expects models with large kernels, got {name!r}. Give a SLaK.')
    for layer in layers:
        sizes = tuple(tuple(branch.conv.kernel_size) for branch in layer.children())
        sides.setdefault(layer.vertical.conv.in_channels, sizes)
    return [(channels, 56 >> index, sizes) for index, (channels, sizes) in enumerate(sides.items())]


def print_branches(args: argparse.Namespace) -> None:
    """Each kernel alone, for inference and for training."""
    cases = [Case(f'{name} stage {number + 1}, batch {batch}, {kernel[0]}×{kernel[1]}', (batch, channels, side, side),
                  (kernel,), training, args.device, DTYPES[args.dtype])
             for name in args.models for number, (channels, side, kernels) in enumerate(stages(name))
             for batch in args.batch_sizes for kernel in kernels[:2] for training in (False, True)]
    timings = time_all(cases, args.rounds, dict(desc='branches', file=sys.stderr))
    header = ('kernel', 'pass', f'{CONTIGUOUS} (ms)', f'{CHANNELS_LAST} (ms)', f'{OURS} (ms)', f'better / {OURS}')
    print('\n' + markdown_table(header, [
        (timing.case.name, 'training' if timing.case.training else 'inference',
         *(f'{timing.median(name):.2f}' for name in (CONTIGUOUS, CHANNELS_LAST, OURS)), f'{timing.ratio(PLAIN):.2f}')
        for timing in timings], numbers=range(2, 6)), end='')
    for kind in (False, True):
        ratios = [timing.ratio(PLAIN) for timing in timings if timing.case.training is kind]
        print(f'\n{"Training" if kind else "Inference"}: smallest ratio {min(ratios):.2f}, geometric mean '
              f'{statistics.geometric_mean(ratios):.2f}.')


def print_stages(args: argparse.Namespace) -> None:
    """The three branches of each stage together: forward and backward, memory, error."""
    cases = [Case(f'{name} stage {number + 1}, batch {batch}', (batch, channels, side, side), kernels, True,
                  args.device, DTYPES[args.dtype])
             for name in args.models for number, (channels, side, kernels) in enumerate(stages(name))
             for batch in args.batch_sizes]
    timings = time_all(cases, args.rounds, dict(desc='stages', file=sys.stderr))
    header = ('three branches, forward + backward', f'{CONTIGUOUS} (ms)', f'{CHANNELS_LAST} (ms)', f'{OURS} (ms)',
              f'channels_last / {OURS}', f'contiguous / {OURS}', f'memory, {OURS} / channels_last', f'error {OURS}',
              'error conv2d')
    rows = []
    for timing in timings:
        runs = runs_of(timing.case)
        memory = peak_bytes(runs[OURS], args.device) / peak_bytes(runs[CHANNELS_LAST], args.device)
        errors = [relative_error(timing.case, branches, torch.channels_last)
                  for branches in (large_kernel_depthwise_branches, conv2d_branches)]
        rows.append((timing.case.name, *(f'{timing.median(name):.1f}' for name in (CONTIGUOUS, CHANNELS_LAST, OURS)),
                     *(f'{ratio:.2f}' for ratio in (
                         timing.ratio([CHANNELS_LAST]), timing.ratio([CONTIGUOUS]), memory)),
                     *(f'{error:.1e}' for error in errors)))
    print('\n' + markdown_table(header, rows, numbers=range(1, len(header))), end='')
    for other in (CHANNELS_LAST, CONTIGUOUS):
        print(f'\nGeometric mean of {other} / {OURS}: '
              f'{statistics.geometric_mean(timing.ratio([other]) for timing in timings):.2f}.')


def print_model(args: argparse.Namespace) -> None:
    """SLaK-T as a whole: forward and backward of four images, on ours and on conv2d in both layouts."""
    model = mmkd.get_model('slak-tiny').backbone.train().to(args.device)
    ours = large_kernel.large_kernel_depthwise_conv2d, large_kernel.large_kernel_depthwise_branches
    images = torch.randn(4, 3, 224, 224, device=args.device)

    def step(layout: torch.memory_format, plain: bool) -> None:
        if plain:
            large_kernel.large_kernel_depthwise_conv2d = lambda x, weight, bias=None: conv2d_branches(
                x.contiguous(memory_format=layout), [weight])[0]
            large_kernel.large_kernel_depthwise_branches = lambda x, weights, bias=None: conv2d_branches(x, weights)
        try:
            loss = model(images.contiguous(memory_format=layout))[-1].mean()
            torch.autograd.grad(loss, [p for p in model.parameters() if p.requires_grad], allow_unused=True)
        finally:
            large_kernel.large_kernel_depthwise_conv2d, large_kernel.large_kernel_depthwise_branches = ours

    runs = {OURS: lambda: step(torch.channels_last, False)} | {
        name: lambda layout=layout: step(layout, True) for name, layout in PLAIN.items()}
    timing = time_runs(Case('SLaK-T', (4, 3, 224, 224), (), True, args.device), runs, args.rounds)
    print('\n' + markdown_table(('SLaK-T, forward + backward, batch 4', 'ms', f'this / {OURS}'), [
        (name, f'{timing.median(name):.0f}', f'{1 if name == OURS else timing.ratio([name]):.2f}') for name in runs],
        numbers=(1, 2)), end='')


def draw(args: argparse.Namespace) -> None:
    """Time of forward + backward against kernel size, and against map size."""
    def case(side: int, size: int) -> Case:
        kernels = ((size, min(5, size)), (min(5, size), size), (min(5, size),) * 2)
        return Case(f'{side}, {size}', (4, 124, side, side), kernels, True, args.device, DTYPES[args.dtype])

    figure = Figure(figsize=(10, 4.2), layout='constrained')
    panels = (('long side of the kernels, on 56×56 maps', KERNEL_SIZES, [case(56, size) for size in KERNEL_SIZES]),
              ('side of the map, kernels 51×5, 5×51 and 5×5', MAP_SIZES, [case(side, 51) for side in MAP_SIZES]))
    for axes, (title, values, cases) in zip(figure.subplots(1, 2), panels):
        timings = time_all(cases, args.rounds, dict(desc='plot', file=sys.stderr))
        for name, colour in zip((OURS, CHANNELS_LAST, CONTIGUOUS), ('#d55e00', '#0072b2', '#8c8c8c')):
            axes.plot(values, [timing.median(name) for timing in timings], marker='o', color=colour, label=name)
        axes.set(xlabel=title, ylabel='forward + backward of three branches (ms)', yscale='log')
        axes.grid(alpha=0.3)
        axes.legend()
    save_figure(figure, args.plot, '--plot')
    print(f'\nDrawn: {args.plot}')


@one_line_errors
def main() -> None:
    """Measures and prints."""
    args = parse_args()
    logging.disable(logging.INFO)
    where = torch.cuda.get_device_name() if args.device.startswith('cuda') else f'{usable_cores()} CPU cores'
    if args.without_onednn:
        torch.backends.mkldnn.set_flags(False)
        where += ' without oneDNN'
    print(f'PyTorch {torch.__version__}, {where}, {torch.get_num_threads()} threads, {args.dtype}, medians of '
          f'{args.rounds} rounds.')
    for part, run in zip(PARTS, (print_branches, print_stages, print_model, draw)):
        if part in args.parts:
            run(args)


if __name__ == '__main__':
    sys.exit(main())
