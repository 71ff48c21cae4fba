"""Checking a cache: its files, and a sample of its views and answers, asked about again."""
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config

from mmkd.datasets.replay import ViewIndex
from mmkd.records import Header, Reader, RecordFormat, decode
from mmkd.records.formats import HEAD
from mmkd.records.shards import valid_rows
from mmkd.utils import UserError

from .source import Source

TOLERANCE = dict(fp32=1e-6, fp16=1e-3)  # relative to the largest value of a record
LOW_PRECISION = 2e-2  # of a teacher in bf16 or fp16, whose numbers depend on the batch
BATCH_SIZE = 32


@dataclass(frozen=True)
class Result:
    """What a check has found.

    Args:
        difference: The largest relative difference of a tap between record and teacher, by the tap's name.
        problems: What is wrong, a line each.
    """

    difference: dict[str, float]
    problems: list[str]


def check(config: Config, path: Path, number: int = 64, seed: int = 0, teacher: str | None = None,
          device: str = 'cpu', say: Callable[[str], None] = print) -> Result:
    """Loads some views again, compares them with their checksums, and asks the teacher about them.

    Args:
        config: The recipe that the cache was built from, or another one that is to be trained from it.
        path: The folder of the cache.
        number: How many views.
        seed: Of the choice of the views.
        teacher: Which of the recipe's teachers.
        device: Where the teacher runs.
        say: Gets lines for the user.

    Raises:
        UserError: There is no cache, nothing in it, or nothing to ask about.
    """
    if number < 1:
        raise UserError(f'--number expects 1 or more, got {number}. Correct it.')
    reader = Reader(path)
    header = reader.header
    problems = list(damaged(reader))
    there = [epoch for epoch in reader.epochs_there() if not any(f'epoch {epoch} ' in line for line in problems)]
    if not there:
        raise UserError(f'{path} expects at least one whole epoch, got none'
                        f'{": " + problems[0] if problems else ""}. Build it again with the same command.')
    source = Source(config, teacher or header.build.get('teacher'), list(header.format.taps), _options(header), device,
                    header.views.get('seed'))
    views, facts = source.facts()
    problems += header.differences(Header(views, facts, header.format, header.epochs), format=False)
    for line in header.warnings(Header(views, facts, header.format, header.epochs)):
        say(f'warning: {line}')
    chosen = choose(there, header.samples, number, seed)
    say(f'{len(chosen)} views of {len(there)} epochs are asked about again')
    return Result(*_compared(source, reader, chosen, problems))


def _options(header: Header) -> dict:
    names = dict(float32='fp32', bfloat16='bf16', float16='fp16')
    return dict(dtype=names.get(header.teacher.get('dtype')))


def damaged(reader: Reader) -> Iterator[str]:
    """What is wrong with the files of a cache, a line a file."""
    size = reader.header.format.size
    for shards in reader.shards().values():
        for shard in shards:
            path = shard.path(reader.path, reader.header.samples)
            try:
                shard.check(path, reader.header)
            except UserError as error:
                yield f'epoch {shard.epoch} is damaged: {error}'
                continue
            lost = np.flatnonzero(~valid_rows(np.memmap(path, np.uint8, 'r', HEAD), shard, size))
            if len(lost):
                yield (f'epoch {shard.epoch} is damaged: {path} has {len(lost):,} damaged records, first of sample '
                       f'{lost[0] + shard.start}. Delete the file, and build it again with the same command.')


def choose(epochs: list[int], samples: int, number: int, seed: int) -> list[tuple[int, int]]:
    """Some views, spread over epochs and samples: epoch and index of each."""
    generator = np.random.default_rng(seed)
    count = min(number, samples * len(epochs))
    places = generator.choice(samples * len(epochs), count, replace=False)
    return sorted((epochs[place // samples], int(place % samples)) for place in places.tolist())


@torch.no_grad()
def _compared(source: Source, reader: Reader, chosen: list[tuple[int, int]], problems: list[str]
              ) -> tuple[dict[str, float], list[str]]:
    differences: dict[str, float] = {}
    format = reader.header.format
    exact = reader.header.teacher.get('dtype') in ('as the student', 'float32')
    for start in range(0, len(chosen), BATCH_SIZE):
        views = chosen[start:start + BATCH_SIZE]
        samples = source.dataset.__getitems__([ViewIndex(index, epoch) for epoch, index in views])
        checksums = [sample['data_samples'].view_checksum for sample in samples]
        kept = np.concatenate([reader.rows(epoch, [index]) for epoch, index in views])
        same = kept['checksum'] == np.array(checksums, dtype='<u4')
        problems += [_other_view(source, *view, checksum) for view, checksum, equal in
                     zip(views, checksums, same, strict=True) if not equal][:1 if not _told(problems) else 0]
        if not same.any():
            continue
        _, now = source.records(source.loader.collate_fn(samples), format)
        for name, found in relative_differences(kept[same], now[same], format).items():
            differences[name] = max(differences.get(name, 0.), found)
    for name, found in differences.items():
        most = LOW_PRECISION if not exact else TOLERANCE[format.taps[name].dtype if name in format.taps else
                                                         format.dtype]
        if found > most:
            problems.append(f'{name}: records and teacher differ by up to {found:.1e} of the largest value, expected '
                            f'is {most:g}. Give the teacher of then, or build the cache anew.')
    return differences, problems


def _told(problems: list[str]) -> bool:
    return any(line.startswith('the view of ') for line in problems)


def _other_view(source: Source, epoch: int, index: int, checksum: int) -> str:
    """Says of which sample the view is another one, and why as far as can be seen."""
    sample = source.dataset[ViewIndex(index, epoch)]['data_samples']
    name = f'the view of sample {index} ({sample.get("img_path") or "without a file"}) in epoch {epoch}'
    if int(sample.view_checksum) != int(checksum):
        return (f'{name} is another one each time it is loaded: a transform draws from a generator of its own. Let it '
                'draw from numpy.random, random or torch.')
    return (f'{name} is not the one that the teacher has answered for: the image, a library or the pipeline has '
            'changed, or a transform draws from a generator of its own. Put it back, or build the cache anew.')


def relative_differences(kept: np.ndarray, now: np.ndarray, format: RecordFormat) -> dict[str, float]:
    """The largest difference of each tap between two sets of records, relative to the largest value of each record.

    Of a top k, those logits are compared that both have; the classes of the last places may change by a rounding.
    """
    found = {}
    before, after = decode(kept, format), decode(now, format)
    for name, value in before.items():
        gap, size = (value - after[name]).flatten(1).abs(), value.flatten(1).abs().amax(1, keepdim=True)
        if name not in format.taps and 'ids' in kept.dtype.names:
            both = torch.from_numpy((kept['ids'][:, :, None] == now['ids'][:, None, :]).any(2))
            gap = gap.gather(1, torch.from_numpy(kept['ids'].astype(np.int64))) * both
        found[name] = float((gap / size.clamp_min(1e-12)).max())
    return found


