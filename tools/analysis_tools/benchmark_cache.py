"""Measures what a teacher's kept answers save a recipe, and what keeping them costs."""
import argparse
import logging
import re
import tempfile
from pathlib import Path
from statistics import median

import mmkd  # noqa: F401
import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import init_default_scope

from mmkd.benchmarks.cached_training import Clock, compare_building, compare_training, ratio
from mmkd.benchmarks.input_pipeline import draw_photos
from mmkd.datasets.configured import dataset_of
from mmkd.recipes.weightless import without_weights
from mmkd.utils import UserError
from mmkd.utils.building.build import is_distiller, type_name
from mmkd.utils.command_line.cli import ToolParser, one_line_errors
from mmkd.utils.command_line.overrides import ConfigOptions
from mmkd.utils.configs.finding import load_config
from mmkd.utils.processes.allocator import keep_freed_memory
from mmkd.zoo import load_safely_everywhere


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = ToolParser(
        description=f"{__doc__} Steps of the student alone, from a cache of one epoch and with the teacher take turns, "
        'batch by batch, in one process on one core, loading included; the cache is built first, so shorten large data '
        'by --cfg-options or take --photos. Then batches of a building and of the teacher '
        "alone. The CPU's time counts, or the clock's with a GPU. Weights are random, which changes no time.")
    parser.add_argument('config', help='a distillation recipe with one teacher, its training data in place')
    parser.add_argument('--rounds', type=int, default=60, help='rounds to take the median of (default: %(default)s)')
    parser.add_argument('--photos', type=int, metavar='N',
                        help="train on so many generated JPEGs of ImageNet's mean size instead of the recipe's data")
    parser.add_argument('--batch-size', type=int, help="images a step (default: the recipe's)")
    parser.add_argument('--topk', default='10', help="logits that are kept, or 'all' (default: %(default)s)")
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--cfg-options', nargs='+', action=ConfigOptions, metavar='KEY=VALUE',
                        help='override config entries: train_dataloader.dataset.indices=2000')
    args = parser.parse_args(argv)
    numbers = [args.rounds, *(each for each in (args.photos, args.batch_size) if each is not None)]
    if min(numbers) < 1 or (args.topk != 'all' and not re.fullmatch('[1-9][0-9]*', args.topk)):
        parser.error("--rounds, --photos and --batch-size expect 1 or more, and --topk a number from 1 or 'all'.")
    return args


def prepared(args: argparse.Namespace, folder: Path) -> Config:
    """The recipe without weights, on the data that were asked for.

    Raises:
        UserError: It is no recipe with one teacher.
    """
    config = load_config(args.config, args.cfg_options)
    if not is_distiller(config.get('model')):
        raise UserError('benchmark_cache expects a recipe of type mmkd.Distiller, got a config of '
                        f'{type_name(config.get("model") or {}) or "no model"}. Name one.')
    if 'config' not in config.model.teacher:
        raise UserError('benchmark_cache expects a recipe with one teacher, which its key config names. Name another.')
    config.model = ConfigDict(without_weights(config)[0])
    config.train_dataloader.num_workers = 0
    for key in ('persistent_workers', 'prefetch_factor'):
        config.train_dataloader.pop(key, None)
    if args.batch_size:
        config.train_dataloader.batch_size = args.batch_size
    if args.photos:
        kilobytes = draw_photos(folder / 'photos', args.photos)
        config.train_dataloader.dataset = dict(type='CustomDataset', data_root=str(folder / 'photos'),
                                               pipeline=dataset_of(config, 'train')['pipeline'])
        print(f'{args.photos} JPEGs of 500×375, {kilobytes:.0f} kB on average')
    return config


@one_line_errors
def main() -> None:
    """Runs the tool."""
    args = parse_args()
    load_safely_everywhere()
    torch.set_num_threads(1)
    if args.device == 'cpu':
        keep_freed_memory()  # as a training does
    logging.disable(logging.WARNING)  # MMEngine logs how it initialises each parameter
    clock, topk = Clock(args.device), args.topk if args.topk == 'all' else int(args.topk)
    with tempfile.TemporaryDirectory() as folder:
        config = prepared(args, Path(folder))
        init_default_scope(config.get('default_scope', 'mmpretrain'))
        training = compare_training(config, Path(folder, 'cache'), args.rounds, clock, topk)
        building = compare_building(config, Path(folder, 'built'), args.rounds, clock, topk)
    print(f'{args.config}, {config.train_dataloader.batch_size} images a step on {args.device}, medians of '
          f'{args.rounds} rounds\n{"":<22}{"loading":>12}{"rest":>12}{"whole":>9}')
    for times, first in ((training, 'plain'), (building, 'teacher')):
        for name, each in times.items():
            loading, rest = (1000 * median(part) for part in zip(*each, strict=True))
            print(f'  {TITLES[name]:<20}{loading:9.1f} ms{rest:9.1f} ms  {ratio(each, times[first]):7.3f}')


TITLES = dict(plain='student alone', cached='from kept answers', live='with the teacher', teacher='asking the teacher',
              building='building a cache')

if __name__ == '__main__':
    main()
