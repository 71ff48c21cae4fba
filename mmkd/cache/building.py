"""Building a cache: the teacher is asked about each view of each epoch once."""
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dist import barrier, get_rank, get_world_size

from mmkd.records import Header, RecordFormat, Writer
from mmkd.records.coding import top1
from mmkd.records.header import NAME
from mmkd.records.shards import UNFINISHED, Shard, shards_in
from mmkd.utils import UserError
from mmkd.utils.files.small import lock_folder

from .fit import check_classes
from .in_training_order import build_like_training
from .plan import batches_of, loader_of, parts_for, shards_of
from .progress import Progress, ask, write
from .source import Source

BATCH_SIZE = 64


@dataclass(frozen=True)
class Request:
    """What is to be built.

    Args:
        out: The folder.
        epochs: How many epochs of views.
        topk: How many logits, or ``'all'``.
        dtype: Of all logits and of features: ``'fp32'`` or ``'fp16'``.
        taps: Further taps than those that the recipe's terms read.
        pool: Whether features are averaged over their places.
        teacher: Which of several teachers.
        options: What takes the place of the recipe's ``dtype`` and ``compile`` of the teacher.
        batch_size: Views that the teacher is asked about at once; None for the training's.
        workers: Processes that load; None for the training's.
        like_training: Whether to ask in the batches of the training, in its order.
        seed: The seed of the views, if the recipe says none.
        device: Where the teacher runs.
    """

    out: Path
    epochs: int
    topk: int | str = 10
    dtype: str = 'fp32'
    taps: Sequence[str] = ()
    pool: bool = False
    teacher: str | None = None
    options: dict = field(default_factory=dict)
    batch_size: int | None = None
    workers: int | None = None
    like_training: bool = False
    seed: int | None = None
    device: str = 'cpu'


def build(config: Config, request: Request, say: Callable[[str], None] = print) -> Header:
    """Builds a cache, or goes on with one that was begun; in all processes that are joined.

    Args:
        config: A distillation recipe.
        request: What is to be built.
        say: Gets lines for the user, in the first process.

    Returns:
        The header of the cache.

    Raises:
        UserError: The recipe cannot be cached, the folder holds another cache, or the disk has no room.
    """
    if request.epochs < 1:
        raise UserError(f'--epochs expects 1 or more, got {request.epochs}. Correct it.')
    out, say = Path(request.out), say if get_rank() == 0 else _nothing
    source = Source(config, request.teacher, request.taps, request.options, request.device, request.seed)
    check_classes(source, say)
    format = source.format(request.topk, request.dtype, request.pool)
    with lock_folder(out) if get_rank() == 0 else nullcontext():
        header = _agreed(_header(source, format, request), out, say)
        with torch.no_grad():
            if header.build['like_training']:
                progress = build_like_training(source, header, out, say)
            else:
                progress = _build_shards(source, header, out, request.workers, say)
        barrier()
        say(progress.shares())
        say(f'{out}: {header.epochs} epochs of {header.samples:,} views, {header.bytes():,} bytes{progress.top1()}')
    return header


def _nothing(line: str) -> None:
    """Says nothing."""


def _header(source: Source, format: RecordFormat, request: Request) -> Header:
    views, teacher = source.facts()
    batch_size = source.loader.batch_size if request.like_training else (
        request.batch_size or source.loader.batch_size or BATCH_SIZE)
    parts = 1 if request.like_training else parts_for(
        get_world_size(), request.epochs, views['samples'], batch_size)
    how = dict(batch_size=batch_size, parts=parts, like_training=request.like_training, teacher=source.name)
    if request.like_training:
        how |= dict(processes=get_world_size(), order_seed=source.order_seed())
    return Header(views, teacher, format, request.epochs, how)


def _agreed(header: Header, out: Path, say: Callable[[str], None]) -> Header:
    """The header of the folder: what another building has begun goes on, if it is the same."""
    if get_rank() == 0:
        if (out / NAME).exists():
            header = _continued(Header.read(out), header, out, say)
        elif header.build['like_training'] and any(out.glob('epoch_*.records*')):
            raise UserError(f'{out} expects its {NAME}, which says in which batches its records were asked about, got '
                            'records without one. Copy it again, or name another folder.')
        for shard in shards_in(out, header.samples):  # a name alone does not say of which cache it is
            shard.check(shard.path(out, header.samples), header)
        say(f'a record: {header.format.describe()}; {header.format.size:,} bytes a view')
        _check_room(header, out, say)
        header.write(out)
    barrier()
    found = Header.read(out)
    differing = found.differences(header)
    if differing:
        raise UserError(f'{out} expects the same recipe and data in all processes, got: {"; ".join(differing)}.')
    return found


def _continued(old: Header, new: Header, out: Path, say: Callable[[str], None]) -> Header:
    lost = [key for key in ('batch_size', 'parts', 'like_training') if key not in old.build]
    if lost:
        raise UserError(f'{out / NAME} expects how the cache was built, got none of {", ".join(lost)}. Name another '
                        'folder, or copy the header again.')
    differing = old.differences(new)
    if differing:
        raise UserError(f'{out} holds a cache of something else: {"; ".join(differing)}. Name another folder.')
    fixed = ('like_training', 'processes', 'order_seed') + ('batch_size', ) * new.build['like_training']
    changed = [key for key in fixed if old.build.get(key) != new.build.get(key)]
    if changed:
        found = ', '.join(f'{key} {new.build.get(key)} instead of {old.build.get(key)}' for key in changed)
        raise UserError(f'{out} expects to be built on as it was begun, got {found}. Build as before, or name another '
                        'folder.')
    for line in old.warnings(new):
        say(f'warning: {line}')
    if old.build['batch_size'] != new.build['batch_size']:
        say(f'batches of {old.build["batch_size"]} views, with which the cache was begun')
    return replace(old, epochs=max(old.epochs, new.epochs))  # also without facts that were not kept then


def _check_room(header: Header, out: Path, say: Callable[[str], None]) -> None:
    there = sum(path.stat().st_size for path in out.glob('epoch_*.records*'))
    needed, free = max(header.bytes() - there, 0), shutil.disk_usage(out).free
    say(f'{header.epochs} epochs of {header.samples:,} views: {header.bytes():,} bytes, {there:,} of them there')
    if needed > free:
        raise UserError(f'{out} expects {needed:,} bytes of free space, and the disk has {free:,}. Keep less (--topk, '
                        '--dtype fp16, --pool, fewer --epochs), or name another disk.')


def _build_shards(source: Source, header: Header, out: Path, workers: int | None,
                  say: Callable[[str], None]) -> Progress:
    shards = shards_of(header.epochs, header.samples, header.build['batch_size'], header.build['parts'])
    own = [shard for shard in shards[get_rank()::get_world_size()] if not shard.path(out, header.samples).exists()]
    batches = {shard: list(_missing(source, header, out, shard)) for shard in own}
    progress = Progress(sum(len(each) for listed in batches.values() for each in listed), say)
    flat = [(shard.epoch, indices) for shard in own for indices in batches[shard]]
    loaded = iter(loader_of(source.loader, flat, workers)) if flat else iter(())
    for shard in own:
        with Writer(out, header, shard) as writer:
            for _ in batches[shard]:
                indices, rows = ask(source, loaded, header.format, progress)
                write(writer, indices, rows, progress)
                progress.add(len(rows), *top1(rows, header.format), shard.epoch)
            writer.finish()
    return progress


def _missing(source: Source, header: Header, out: Path, shard: Shard) -> Iterator[np.ndarray]:
    """The batches of a shard that are not written whole; they are asked about as they would have been."""
    begun = shard.path(out, header.samples)
    there = None
    if begun.with_name(begun.name + UNFINISHED).exists():
        with Writer(out, header, shard) as writer:
            there = writer.there
    for indices in batches_of(shard, source.dataset, header.build['batch_size']):
        if there is None or not there[indices - shard.start].all():
            yield indices
