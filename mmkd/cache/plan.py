"""Who builds which records, and in which batches: the same however many processes and interruptions there are."""
from collections.abc import Iterator

import numpy as np
from torch.utils.data import DataLoader, Sampler

from mmkd.datasets.replay import ReplayedDataset, ViewIndex
from mmkd.datasets.replay.pairs import paired
from mmkd.records.shards import Shard


def parts_for(processes: int, epochs: int, samples: int, batch_size: int) -> int:
    """Into how many shards an epoch is divided: one, unless there are more processes than epochs."""
    return max(1, min(-(-processes // epochs), -(-samples // batch_size)))


def shards_of(epochs: int, samples: int, batch_size: int, parts: int) -> list[Shard]:
    """All shards of a cache; those of one epoch meet where a batch begins."""
    batches = -(-samples // batch_size)
    edges = [min(batches * part // parts * batch_size, samples) for part in range(parts + 1)]
    return [Shard(epoch, start, stop) for epoch in range(epochs) for start, stop in zip(edges, edges[1:], strict=False)]


def batches_of(shard: Shard, dataset: ReplayedDataset, batch_size: int) -> list[np.ndarray]:
    """The batches of a shard: in order, or with mixing partners side by side, so that no image is decoded twice."""
    order = np.arange(shard.start, shard.stop)
    if dataset.mixing is not None and len(shard) == len(dataset):
        order = paired(order, dataset.partners(shard.epoch))
    return [order[start:start + batch_size] for start in range(0, len(order), batch_size)]


class ViewBatches(Sampler):
    """The indices of batches, with their epochs.

    Args:
        batches: Epoch and indices of each.
    """

    def __init__(self, batches: list[tuple[int, np.ndarray]]) -> None:
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[ViewIndex]]:
        for epoch, indices in self.batches:
            yield [ViewIndex(int(index), epoch) for index in indices]


def loader_of(loader: DataLoader, batches: list[tuple[int, np.ndarray]], workers: int | None = None) -> DataLoader:
    """A loader of these batches, otherwise like another."""
    workers = loader.num_workers if workers is None else workers
    return DataLoader(
        loader.dataset, batch_sampler=ViewBatches(batches), num_workers=workers, collate_fn=loader.collate_fn,
        pin_memory=loader.pin_memory, worker_init_fn=loader.worker_init_fn,
        prefetch_factor=loader.prefetch_factor if workers and loader.num_workers else None)
