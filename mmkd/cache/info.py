"""What is inside a cache, in words."""
from collections.abc import Iterator
from pathlib import Path

from mmkd.losses.served import Kept, logit_losses_served
from mmkd.records import Reader
from mmkd.records.formats import ALL


def describe(path: Path) -> Iterator[str]:
    """Tells of a cache, a line after another; no image is read, and no model built.

    Args:
        path: The folder.

    Raises:
        UserError: There is no cache.
    """
    reader = Reader(path)
    header, there = reader.header, reader.epochs_there()
    files = [shard.path(reader.path, header.samples) for shards in reader.shards().values() for shard in shards]
    yield f'views:    {header.samples:,} an epoch, {len(there)} of {header.epochs} epochs are there, seed ' \
          f'{header.views.get("seed")}, size {header.views.get("input_size")}'
    yield f'mixing:   {header.views.get("mixing") or "none"}'
    yield f'teacher:  {header.teacher.get("config", {}).get("type", "a model")}, weights ' \
          f'{str(header.teacher.get("weights"))[:12]} …, dtype {header.teacher.get("dtype")}{_top1(reader)}'
    yield f'record:   {header.format.describe()}; {header.format.size:,} bytes'
    yield f'size:     {sum(file.stat().st_size for file in files):,} bytes in {len(files)} files, ' \
          f'{header.bytes():,} when it is complete'
    yield f'built:    {", ".join(f"{key} {value}" for key, value in header.build.items())}'
    yield f'versions: {", ".join(f"{key} {value}" for key, value in header.versions.items())}'
    yield from _losses(reader)


def _top1(reader: Reader) -> str:
    counts = [shard.counts(shard.path(reader.path, reader.header.samples))
              for shards in reader.shards().values() for shard in shards]
    labelled, correct = map(sum, zip(*counts, strict=True)) if counts else (0, 0)
    return f', top-1 {100 * correct / labelled:.1f} % of its views' if labelled else ''


def _losses(reader: Reader) -> Iterator[str]:
    """Which losses the logits serve, as they are by default."""
    format = reader.header.format
    if not format.classes:
        return
    kept = Kept(format.kept == format.classes, full_precision=format.topk != ALL or format.dtype == 'fp32')
    for name, service in logit_losses_served(kept).items():
        yield f'{name + ":":<14}{service.how}{f" ({service.why})" if service.why else ""}' + (
            f'; {service.wanted} would serve' if service.wanted else '')
