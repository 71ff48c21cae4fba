"""Measures how fast recipes read and augment images, beside timm's loader with the same augmentation or replayed."""
import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import mmkd  # noqa: F401
import torch
from mmengine.config import ConfigDict
from torch.utils.data import DataLoader
from tqdm import tqdm

from mmkd.benchmarks.input_pipeline import draw_photos, own_loader, pack_photos, replayed_loaders, timm_loader
from mmkd.utils.command_line.cli import ToolParser, one_line_errors
from mmkd.utils.command_line.overrides import ConfigOptions
from mmkd.utils.configs.finding import load_config
from mmkd.zoo import load_safely_everywhere

RECIPES = ['scale_kd/mobilenet-v1_8xb32-100e_in1k.py',
           'scale_kd/resnet50_bit-resnet152x2-funmatch_32xb64-1200e_in1k.py',
           'vanilla_kd/deit-small_8xb256-a2-300e_in1k.py', 'convnest/convnest-tiny_32xb128_in1k.py']


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = ToolParser(
        description=f'{__doc__} Both take turns batch by batch, in one process on one core, on generated JPEGs '
        "of ImageNet's mean size; the CPU's time counts, not the clock's. What the data preprocessor and timm's "
        'prefetcher do on the device is left out.')
    parser.add_argument('recipes', nargs='*', default=RECIPES, metavar='RECIPE',
                        help='ImageNet recipes (default: one of each kind of augmentation)')
    parser.add_argument('--cfg-options', nargs='+', action=ConfigOptions, metavar='KEY=VALUE',
                        help='settings of the recipes to change, such as '
                        'train_dataloader.dataset.pipeline.1.backend=torch')
    parser.add_argument('--archives', action='store_true', help='also from a zip (timm from the folder) and a tar')
    parser.add_argument('--images', type=int, default=128, help='images a round (default: %(default)s)')
    parser.add_argument('--batch-size', type=int, default=32, help='(default: %(default)s)')
    parser.add_argument('--rounds', type=int, default=15, help='rounds to take the median of (default: %(default)s)')
    parser.add_argument('--replay', action='store_true',
                        help='compare with replayed views instead of timm: as they are, mixed in pairs that share a '
                        'batch, and mixed with a partner that each image decodes for itself')
    return parser.parse_args(argv)


def use_one_core() -> None:
    """Keeps this process and its libraries on the last core that it may use."""
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    if hasattr(os, 'sched_setaffinity'):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def epoch_seconds(loaders: dict[str, DataLoader]) -> dict[str, float]:
    """Seconds of an epoch of each on the CPU, whatever else it does meanwhile; they take turns batch by batch."""
    batches = {name: iter(loader) for name, loader in loaders.items()}
    spent = dict.fromkeys(loaders, 0.)
    for step in range(min(map(len, loaders.values()))):
        first = step % len(loaders)
        for name in [*loaders][first:] + [*loaders][:first]:
            start = time.process_time()
            next(batches[name])
            spent[name] += time.process_time() - start
    return spent


def compare(own: DataLoader, other: DataLoader, rounds: int) -> tuple[float, float, float]:
    """Times two loaders of as many images.

    Returns:
        The medians over the rounds of images a second of each, and of their ratio.
    """
    images = len(own) * own.batch_size
    rates = []
    for round_ in tqdm(range(rounds + 1), file=sys.stderr, leave=False, disable=None):
        spent = epoch_seconds(dict(own=own, other=other))
        if round_:  # the first warms up
            rates.append((images / spent['own'], images / spent['other'], spent['other'] / spent['own']))
    return tuple(map(statistics.median, zip(*rates, strict=True)))


def compare_replay(loaders: dict[str, DataLoader], rounds: int) -> tuple[float, list[float]]:
    """Times a plain loader and replayed ones of as many images.

    Returns:
        The median over the rounds of the plain loader's images a second, and the others' times as multiples of its.
    """
    images = len(loaders['plain']) * loaders['plain'].batch_size
    found = []
    for round_ in tqdm(range(rounds + 1), file=sys.stderr, leave=False, disable=None):
        for loader in loaders.values():
            loader.sampler.set_epoch(round_)
        spent = epoch_seconds(loaders)
        if round_:  # the first warms up
            found.append([images / spent['plain'], *(each / spent['plain'] for each in list(spent.values())[1:])])
    rate, *ratios = map(statistics.median, zip(*found, strict=True))
    return rate, ratios


def processor() -> str:
    """The name of the CPU."""
    lines = Path('/proc/cpuinfo').read_text(encoding='utf-8').splitlines() if Path('/proc/cpuinfo').is_file() else []
    return next((line.partition(':')[2].strip() for line in lines if line.startswith('model name')),
                platform.processor())


def pipelines(names: list[str], options: dict[str, Any] | None) -> dict[str, ConfigDict]:
    """Title to dataloader: of every recipe the training's, and each validation's once."""
    found, seen = {}, []
    for name in names:
        config = load_config(name, options)
        found[f'{name}, train'] = config.train_dataloader
        if config.val_dataloader.dataset.pipeline not in seen:
            seen.append(config.val_dataloader.dataset.pipeline)
            found[f'{name}, val'] = config.val_dataloader
    return found


@one_line_errors
def main() -> None:
    """Runs the tool."""
    args = parse_args()
    load_safely_everywhere()
    use_one_core()
    loaders = {title: loader for title, loader in pipelines(args.recipes, args.cfg_options).items()
               if not args.replay or title.endswith(', train')}
    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder, 'photos')
        kilobytes = draw_photos(photos, args.images)
        places = {'': (photos, photos)} | (pack_photos(photos) if args.archives else {})
        print(f'{args.images} JPEGs of 500×375, {kilobytes:.0f} kB on average; images per CPU second, one core of '
              f'{processor()}, medians of {args.rounds} rounds')
        print('    plain; times as multiples of it: replayed, pairs, decoded' if args.replay else
              f'{"mmkd":>9} {"timm":>7}  ratio')
        for title, loader in loaders.items():
            if args.replay:
                rate, ratios = compare_replay(replayed_loaders(loader, photos, args.batch_size), args.rounds)
                print(f'{rate:9.1f}  {"  ".join(f"{ratio:5.3f}" for ratio in ratios)}  {title}', flush=True)
                continue
            for place, roots in places.items():
                both = (make(loader, root, args.batch_size) for make, root in zip((own_loader, timm_loader), roots))
                own, other, ratio = compare(*both, args.rounds)
                print(f'{own:9.1f} {other:7.1f}  {ratio:5.2f}  {title}{place and ", " + place}', flush=True)


if __name__ == '__main__':
    sys.exit(main())
