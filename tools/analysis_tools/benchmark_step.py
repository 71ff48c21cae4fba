"""Measures what distillation adds to a training step, and computes the step on several GPUs."""
import argparse
import copy
import logging
import statistics
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import mmkd  # noqa: F401
import torch
from mmengine.config import Config, ConfigDict
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from torch import nn
from tqdm import tqdm

from mmkd.benchmarks.scaling.command import batch_of, step_of
from mmkd.benchmarks.scaling.figure import scaling_figure
from mmkd.benchmarks.scaling.measured import Times, choose_times, read_report
from mmkd.benchmarks.scaling.setting import Setting
from mmkd.benchmarks.scaling.tables import report
from mmkd.benchmarks.scenes import annotated
from mmkd.benchmarks.timing import seconds_in_turn
from mmkd.distillers import Distiller
from mmkd.distillers.models import forward_mode
from mmkd.engine.finite import FiniteGuard
from mmkd.layers.layout import use_channels_last
from mmkd.recipes.weightless import without_weights
from mmkd.registry import MODELS
from mmkd.utils import UserError
from mmkd.utils.building.build import is_distiller, type_name
from mmkd.utils.command_line.cli import ToolParser, one_line_errors
from mmkd.utils.command_line.overrides import ConfigOptions
from mmkd.utils.configs.finding import load_config
from mmkd.utils.files.figures import save_figure
from mmkd.utils.processes.allocator import keep_freed_memory
from mmkd.zoo import load_safely_everywhere


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    settings = ', '.join(f'{field.name}={field.default}' for field in fields(Setting))
    parser = ToolParser(
        description=f'{__doc__} Three things are timed in turn, round after round, on the same random images: a '
        "distillation step, the student's training step alone, and the teacher's forward pass in inference "
        'mode. The ratio of the first to the sum of the others is what the distiller costs beside them. No '
        'weights are read: a checkpoint need not be there.')
    parser.add_argument('config', help='a distillation recipe')
    parser.add_argument('--batch-size', type=int, help="images a step (default: the recipe's)")
    parser.add_argument('--rounds', type=int, default=20, help='rounds to take the median of (default: 20)')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--nan-guard', action='store_true',
                        help='also time the distillation step with and without the check that tools/train.py makes of '
                        'every step, in turn')
    parser.add_argument('--cfg-options', nargs='+', action=ConfigOptions, metavar='KEY=VALUE',
                        help='override config entries: model.teacher.dtype=bf16')
    scaling = parser.add_argument_group('several GPUs', 'Computed from the times of one; see docs/scaling.md.')
    scaling.add_argument('--gpus', type=int, nargs='+', metavar='N', help='numbers of GPUs: 1 8 64')
    scaling.add_argument('--setting', nargs='+', action=ConfigOptions, metavar='KEY=VALUE', default={},
                         help=f'what is assumed, or times that are known: {settings}')
    scaling.add_argument('--report', nargs=2, metavar=('FILE', 'CASE'),
                         help="take the times of a case of gpu_report.py's JSON, and measure nothing")
    scaling.add_argument('--plot', type=Path, metavar='FILE.png', help='draw milliseconds by part over GPUs')
    args = parser.parse_args(argv)
    if args.gpus is None and (args.setting or args.report or args.plot):
        raise UserError('--setting, --report and --plot expect --gpus, got none. Add --gpus 1 8 64.')
    if args.gpus and min(args.gpus) < 1:
        raise UserError(f'--gpus expects numbers of at least 1, got {args.gpus}. Correct them.')
    return args


def fake_batch(config: Config, size: int, student: nn.Module) -> dict:
    """Random uint8 images and labels, as the data loader gives them.

    Args:
        config: The recipe; its model says the image size and the number of classes.
        size: Images in the batch.
        student: The student, of which detectors and segmentors want other labels.

    Returns:
        ``inputs`` and ``data_samples``.
    """
    from mmpretrain.structures import DataSample
    side = config.model.get('input_size', 224)
    side = (side, side) if isinstance(side, int) else side
    classes = config.get('data_preprocessor', {}).get('num_classes') or 10
    images = torch.randint(0, 256, (size, 3, *side), dtype=torch.uint8)
    scenes = annotated(student, size, side)
    if scenes is not None:
        return dict(inputs=list(images), data_samples=scenes)
    labels = torch.randint(0, classes, (size, ))
    samples = [DataSample(metainfo=dict(sample_idx=index)).set_gt_label(int(label))
               for index, label in enumerate(labels)]
    return dict(inputs=list(images), data_samples=samples)


def training_step(model: nn.Module, config: Config, batch: dict) -> Callable[[], object]:
    """A closure that trains the model on the batch once."""
    optimizer = build_optim_wrapper(model, config.optim_wrapper)
    model.train()
    # Detectors and segmentors change their samples: they get copies, as from a data loader
    return lambda: model.train_step(copy.deepcopy(batch), optimizer)


def measure(distiller: Distiller, config: Config, batch: dict, rounds: int, device: str) -> dict[str, float]:
    """Times the three in turn.

    Args:
        distiller: The built recipe, on the device.
        config: The recipe, for the optimizer.
        batch: What :func:`fake_batch` returned.
        rounds: Rounds after three to warm up.
        device: Where to run.

    Returns:
        Median seconds of ``distillation``, ``student`` and ``teacher`` (of several, together), and the median over
        rounds of ``ratio`` = distillation / (student + teacher).
    """
    inputs = distiller.data_preprocessor(copy.deepcopy(batch), True)['inputs']

    def teacher_forward() -> None:
        with torch.inference_mode():
            for teacher in distiller.teachers.values():
                if forward_mode(teacher.model) == 'predict':  # a detector: backbone and neck, which are always needed
                    teacher.model.extract_feat(inputs)
                else:
                    teacher.predict(inputs, mode='tensor')

    distillation = training_step(distiller, config, batch)
    student = training_step(distiller.student, config, batch)
    times = seconds_in_turn(dict(distillation=distillation, student=student, teacher=teacher_forward), device,
                            tqdm(range(rounds + 3), desc='rounds', file=sys.stderr))
    ratios = [d / (s + t) for d, s, t in zip(*times.values(), strict=True)]
    return {name: statistics.median(values) for name, values in times.items()} | dict(
        ratio=statistics.median(ratios))


def measure_guard(distiller: Distiller, config: Config, batch: dict, rounds: int, device: str) -> dict[str, float]:
    """Times a distillation step with and without the check for NaN, in turn and in both orders.

    Args:
        distiller: The built recipe, on the device.
        config: The recipe, for the optimizer.
        batch: What :func:`fake_batch` returned.
        rounds: Rounds after three to warm up.
        device: Where to run.

    Returns:
        Median seconds of ``plain`` and ``guarded``, and the median over rounds of their ``ratio``.
    """
    optimizer = build_optim_wrapper(distiller.train(), config.optim_wrapper)
    guard, waiting = FiniteGuard(distiller, optimizer), []

    def plain() -> None:
        distiller.train_step(batch, optimizer)

    def guarded() -> None:
        waiting.append(guard.read(distiller.train_step(batch, optimizer), '', batch))
        if len(waiting) > 1 or waiting[0].arrival is None:  # as the hook does
            waiting.pop(0).is_bad()

    times = seconds_in_turn(dict(plain=plain, guarded=guarded), device, tqdm(
        range(rounds + 3), desc='rounds with the guard', file=sys.stderr), both_orders=True)
    ratios = [guarded / plain for plain, guarded in zip(*times.values(), strict=True)]
    return {name: statistics.median(values) for name, values in times.items()} | dict(ratio=statistics.median(ratios))


def print_times(distiller: Distiller, config: Config, args: argparse.Namespace, size: int) -> Times:
    """Measures a step here, and prints what was found."""
    batch = fake_batch(config, size, distiller.student)
    result = measure(distiller, config, batch, args.rounds, args.device)
    print(f'{args.config}, {size} images a step on {args.device}, medians of {args.rounds} rounds')
    print('  random weights in place of all checkpoints, which change no time')
    for name in ('distillation', 'student', 'teacher'):
        print(f'  {name:<13} {1000 * result[name]:9.1f} ms')
    print(f'  distillation / (student + teacher) = {result["ratio"]:.3f}')
    if args.nan_guard:
        guard = measure_guard(distiller, config, batch, args.rounds, args.device)
        print(f'  with the NaN guard {1000 * guard["guarded"]:.1f} ms / without {1000 * guard["plain"]:.1f} ms = '
              f'{guard["ratio"]:.3f}')
    return Times(result['student'], result['teacher'], result['distillation'], f'measured here on {args.device}')


@one_line_errors
def main() -> None:
    """Runs the tool."""
    args = parse_args()
    setting = Setting.of(args.setting)
    known = read_report(Path(args.report[0]), args.report[1]) if args.report else None
    if args.device == 'cpu':
        keep_freed_memory()  # as a training does
    load_safely_everywhere()
    config = load_config(args.config, args.cfg_options)
    if not is_distiller(config.get('model')):
        raise UserError(f"benchmark_step expects a recipe of type mmkd.Distiller, got {config.model['type']!r}.")
    init_default_scope(config.get('default_scope', 'mmpretrain'))
    logging.disable(logging.WARNING)  # MMEngine logs how it initialises each parameter
    distiller = MODELS.build(ConfigDict(without_weights(config)[0])).to(args.device)
    if any(type_name(hook) == 'ChannelsLastHook' for hook in config.get('custom_hooks') or []):
        use_channels_last(distiller)
    size = batch_of(args.batch_size, known, config)
    times = choose_times(setting, known, lambda: print_times(distiller, config, args, size))
    if args.gpus:
        step = step_of(distiller, config, times, setting, size,
                       fake_batch(config, 2, distiller.student))
        here = args.device if times.source.endswith(' on cpu') else ''
        print(f'{args.config}\n{report(step, setting, args.gpus, times.source, here)}')
        if args.plot:
            save_figure(scaling_figure(step, setting, args.gpus, Path(args.config).stem), args.plot, '--plot')
            print(f'Drawn: {args.plot}')


if __name__ == '__main__':
    sys.exit(main())
