"""Training from a teacher's kept answers beside plain training, and building a cache beside asking the teacher."""
import copy
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import torch
from mmengine.config import Config, ConfigDict
from mmengine.optim import build_optim_wrapper
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from mmkd.cache.building import Request, build
from mmkd.cache.plan import batches_of, loader_of, shards_of
from mmkd.cache.source import Source
from mmkd.distillers import Distiller
from mmkd.distillers.inputs import state_order
from mmkd.engine.replayed.plan import plan_views
from mmkd.records import Header, Writer
from mmkd.registry import MODELS

Step = Callable[[], tuple[float, float]]


@dataclass(frozen=True)
class Clock:
    """Seconds of this process on a CPU, whatever else the machine does; of the wall with a GPU, whose queue counts.

    Args:
        device: Where the models run.
    """
    device: str

    def __call__(self) -> float:
        """The seconds so far, all that was asked of the device done."""
        if not self.device.startswith('cuda'):
            return time.process_time()
        torch.cuda.synchronize()
        return time.perf_counter()


def endless(loader: DataLoader) -> Iterator[dict]:
    """The batches of a loader, epoch after epoch."""
    epoch = 0
    while True:
        if hasattr(loader.sampler, 'set_epoch'):
            loader.sampler.set_epoch(epoch)
        yield from loader
        epoch += 1


def training(config: Config, clock: Clock, alone: bool = False) -> Step:
    """A closure that trains a recipe for a step.

    Args:
        config: The recipe; its model reads no weights.
        clock: Reads the time.
        alone: Whether the student is trained by itself.

    Returns:
        Each call returns the seconds of loading and of the step; see :func:`timed`.
    """
    config = copy.deepcopy(config)
    state_order(config)
    plan = plan_views(config)
    model: nn.Module = MODELS.build(ConfigDict(config.model))
    model = model.student if alone and isinstance(model, Distiller) else model
    model.to(clock.device).train()
    optimizer = build_optim_wrapper(model, copy.deepcopy(config.optim_wrapper))
    loader = Runner.build_dataloader(ConfigDict(config.train_dataloader).to_dict(), seed=0)
    if plan is not None:
        plan.wrap(loader, preprocessor=model.data_preprocessor)
    return timed(endless(loader), lambda batch: model.train_step(batch, optimizer), clock)


def timed(batches: Iterator[dict], use: Callable[[dict], object], clock: Clock) -> Step:
    """A closure that loads a batch and does something with it, and returns the seconds of both."""

    def step() -> tuple[float, float]:
        start = clock()
        batch = next(batches)
        loaded = clock()
        use(batch)
        return loaded - start, clock() - loaded

    return step


def in_turn(steps: Mapping[str, Step], rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Times steps in turn, in both orders; three rounds before these warm up.

    Returns:
        Name to the two times of each round.
    """
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in steps}
    for round_ in tqdm(range(rounds + 3), desc=', '.join(steps), file=sys.stderr, disable=None):
        for name in [*steps][::-1 if round_ % 2 else 1]:
            times = steps[name]()
            if round_ >= 3:
                found[name].append(times)
    return found


def ratio(times: list[tuple[float, float]], others: list[tuple[float, float]]) -> float:
    """The median over the rounds of one's whole time over the other's."""
    return median(sum(one) / sum(other) for one, other in zip(times, others, strict=True))


def compare_training(config: Config, folder: Path, rounds: int, clock: Clock, topk: int | str
                     ) -> dict[str, list[tuple[float, float]]]:
    """Times steps of the student alone, from kept answers, and with the teacher.

    Args:
        config: A recipe with one teacher, whose model reads no weights.
        folder: Where a cache of one epoch is built, which the training then repeats.
        rounds: How many steps of each.
        clock: Reads the time.
        topk: What is kept of the logits.

    Returns:
        ``'plain'``, ``'cached'`` and ``'live'`` to the seconds of loading and of the step, of each round.
    """
    build(config, Request(folder, 1, topk=topk, device=clock.device), say=partial(print, file=sys.stderr))
    cached = copy.deepcopy(config)
    cached.model.teacher = dict(cache=str(folder))
    return in_turn(dict(plain=training(config, clock, alone=True), cached=training(cached, clock),
                        live=training(config, clock)), rounds)


def compare_building(config: Config, folder: Path, rounds: int, clock: Clock, topk: int | str
                     ) -> dict[str, list[tuple[float, float]]]:
    """Times loading a batch and asking the teacher: by itself, and building a cache.

    Args:
        config: A recipe with one teacher, whose model reads no weights.
        folder: Where records are written.
        rounds: How many batches.
        clock: Reads the time.
        topk: What is kept of the logits.

    Returns:
        ``'teacher'`` and ``'building'`` to the seconds of loading and of what follows, of each round.
    """
    source = Source(config, device=clock.device)
    format, size = source.format(topk, 'fp32', False), config.train_dataloader.batch_size
    header = Header(*source.facts(), format, 1, dict(batch_size=size, parts=1, like_training=False,
                                                     teacher=source.name))
    folder.mkdir(parents=True)
    shard, = shards_of(1, header.samples, size, 1)
    indices = batches_of(shard, source.dataset, size)
    views = loader_of(source.loader, [(0, each) for each in indices] * (-(-(rounds + 3) // len(indices))))
    plain = Runner.build_dataloader(ConfigDict(config.train_dataloader).to_dict(), seed=0)

    def keep(batch: dict) -> None:
        keys, rows = source.records(batch, format)
        writer.write(np.array([index for _, index in keys]), rows)

    with torch.no_grad(), Writer(folder, header, shard) as writer:
        steps = dict(teacher=timed(endless(plain), source.answers, clock), building=timed(iter(views), keep, clock))
        return in_turn(steps, rounds)
