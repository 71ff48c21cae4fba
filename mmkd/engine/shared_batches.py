"""A validation set shared out by whole batches: each process reads some of those that one process would read."""
from collections.abc import Iterator, Sequence, Sized
from contextlib import suppress

import torch
from mmengine.dist import all_gather, all_reduce, get_rank, get_world_size
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, Sampler

from mmkd.utils import UserError

from .resume.replay import DATA, NumberedBatch, SeededFetch

SEED = 0  # of random transforms and losses: each validation draws the same


class SharedBatches(Sampler):
    """The batches of one process, in the order of the data set: no image twice, and none left out.

    A batch holds the same images, with the same draws of random transforms, however many processes there are.

    Args:
        images: Number of images in the data set.
        batch_size: Images of a batch.
        rank: Which process this is.
        world_size: Number of processes.
    """

    def __init__(self, images: int, batch_size: int, rank: int = 0, world_size: int = 1) -> None:
        self.images, self.batch_size = images, batch_size
        self.count = -(-images // batch_size)  # of all processes
        self.numbers = range(rank, self.count, world_size)  # of its batches, among those of all processes

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[list[int]]:
        for number in self.numbers:
            yield NumberedBatch(self.indices(number), (SEED, number, DATA))

    def indices(self, number: int) -> list[int]:
        """The images of a batch."""
        start = number * self.batch_size
        return list(range(start, min(start + self.batch_size, self.images)))


def shared_loader(loader: DataLoader, what: str) -> DataLoader:
    """A loader of the same images that gives this process its share of the batches.

    Args:
        loader: Any loader of a data set with a length; its sampler does not count.
        what: Its name in messages.

    Raises:
        UserError: The data set has no length, or no image.
    """
    dataset = loader.dataset
    if isinstance(dataset, IterableDataset) or not isinstance(dataset, Sized) or not len(dataset):
        raise UserError(f'{what} expects a data set with a length above 0, got a {type(dataset).__name__} without. '
                        'Take one whose images are listed.')
    size = loader.batch_size or getattr(loader.batch_sampler, 'batch_size', None) or 1
    with suppress(AttributeError):  # a list draws nothing
        dataset.__getitems__ = SeededFetch(dataset)  # which leaves batches without numbers alone
    return DataLoader(
        dataset, batch_sampler=SharedBatches(len(dataset), size, get_rank(), get_world_size()),
        num_workers=loader.num_workers, collate_fn=loader.collate_fn, pin_memory=loader.pin_memory,
        timeout=loader.timeout, worker_init_fn=loader.worker_init_fn, prefetch_factor=loader.prefetch_factor,
        persistent_workers=loader.persistent_workers)


def joined(rows: Sequence[Tensor], batches: SharedBatches) -> Tensor:
    """Brings what all processes have read together, in the order of the data set.

    Args:
        rows: For each batch of this process one row an image, on the CPU, the same kind in all processes.
        batches: The batches of this process.

    Returns:
        One row for each image of the data set, in each process.
    """
    if get_world_size() == 1:
        return torch.cat(list(rows))
    width = torch.tensor([rows[0].shape[1] if rows else 0])
    all_reduce(width, 'max')
    size, world = batches.batch_size, get_world_size()
    places = [[i for number in SharedBatches(batches.images, size, rank, world).numbers
               for i in batches.indices(number)] for rank in range(world)]
    own = torch.zeros(max(map(len, places)), int(width))
    own[:len(places[get_rank()])] = torch.cat(list(rows)) if rows else 0.
    whole = own.new_empty(batches.images, int(width))
    for indices, part in zip(places, all_gather(own), strict=True):
        whole[indices] = part[:len(indices)]
    return whole
