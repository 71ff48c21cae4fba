"""Building in the batches of a training, in its order: the teacher says what it would say live, to the last bit."""
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
from mmengine.dist import all_gather_object, barrier, broadcast_object_list, get_rank

from mmkd.datasets.replay.loader import ViewSampler
from mmkd.records import Header, Writer
from mmkd.records.coding import top1
from mmkd.records.shards import Shard
from mmkd.utils import UserError

from .plan import loader_of
from .progress import Progress, ask, write
from .source import Source

REPEATS = ('expects a sampler that draws each sample once an epoch, as DefaultSampler does, got {}. Build without '
           '--like-training.')


def build_like_training(source: Source, header: Header, out: Path, say: Callable[[str], None]) -> Progress:
    """Asks about the batches of this process's loader; the first process writes what all of them got.

    Args:
        source: The teacher and the recipe's own loader, of this process.
        header: The header of the cache, which is written.
        out: Its folder.
        say: Gets lines for the user.

    Raises:
        UserError: The sampler draws some samples more often than others, or never ends.
    """
    sampler = source.loader.batch_sampler.sampler
    if not isinstance(sampler, ViewSampler):
        raise UserError(f'--like-training {REPEATS.format(type(sampler).__name__)}')
    shards = [Shard(epoch, 0, header.samples) for epoch in range(header.epochs)]
    shards = [shard for shard in shards if not shard.path(out, header.samples).exists()]
    barrier()  # all have looked before one is finished
    progress = Progress(len(shards) * len(sampler), say)
    for shard in shards:
        sampler.set_epoch(shard.epoch)
        with nullcontext() if get_rank() else Writer(out, header, shard) as writer:
            _build_epoch(source, header, writer, progress, shard.epoch)
            if writer is not None:
                writer.finish()
    return progress


def _build_epoch(source: Source, header: Header, writer: Writer | None, progress: Progress, epoch: int) -> None:
    batches = list(source.loader.batch_sampler)
    if any(view.epoch != epoch for batch in batches for view in batch):
        raise UserError(f'--like-training {REPEATS.format(type(source.loader.batch_sampler.sampler.inner).__name__)}')
    box = [None if writer is None else writer.there]
    broadcast_object_list(box)
    missing = [not box[0][batch].all() for batch in batches]
    wanted = np.any(all_gather_object(missing), axis=0)  # a batch is asked about in all processes, or in none
    left = [(epoch, np.array(batch)) for batch, want in zip(batches, wanted, strict=True) if want]
    progress.skip(sum(map(len, batches)) - sum(len(indices) for _, indices in left))
    loaded = iter(loader_of(source.loader, left)) if left else iter(())
    for _ in left:
        indices, rows = ask(source, loaded, header.format, progress)
        for theirs, found in all_gather_object((indices, rows.view(np.uint8))):
            if writer is not None:
                write(writer, theirs, found.view(header.format.record), progress)
        progress.add(len(rows), *top1(rows, header.format), epoch)
