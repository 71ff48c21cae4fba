"""Makes the views of any loader replayable: its sampler says in which epoch an index is."""
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from mmengine.dataset import DefaultSampler, InfiniteSampler
from torch.utils.data import DataLoader, IterableDataset, Sampler

from mmkd.utils import UserError

from .dataset import ReplayedDataset
from .pairs import paired, share_of_rank
from .views import ViewIndex


class ViewSampler(Sampler):
    """Another sampler, whose indices know their epoch.

    Args:
        sampler: The other; what is not defined here is its own.
        dataset: The data that it samples.
    """

    def __init__(self, sampler: Any, dataset: ReplayedDataset) -> None:
        self.inner, self.views = sampler, dataset
        self.epoch = int(getattr(sampler, 'epoch', 0))

    def __getattr__(self, name: str) -> Any:
        if name.startswith('__') or name == 'inner':
            raise AttributeError(name)
        return getattr(self.inner, name)

    def __len__(self) -> int:
        return len(self.inner)

    def set_epoch(self, epoch: int) -> None:
        """Sets the epoch of the next pass."""
        self.epoch = epoch
        if hasattr(self.inner, 'set_epoch'):
            self.inner.set_epoch(epoch)

    def __iter__(self) -> Iterator[ViewIndex]:
        epoch, repeats = self.epoch, int(getattr(self.inner, 'num_repeats', 1))
        rank, ranks = (int(getattr(self.inner, name, value)) for name, value in (('rank', 0), ('world_size', 1)))
        for place, index in enumerate(self._indices()):
            if place >= len(self.inner):
                raise UserError(f'a replayed loader expects a sampler whose passes end, or InfiniteSampler, got '
                                f'{type(self.inner).__name__}, which goes on. Take one of those.')
            # Repeats follow on each other in the order that all processes share.
            yield ViewIndex(index, epoch * repeats + (rank + place * ranks) % repeats)

    def _indices(self) -> Iterator[int]:
        inner = self.inner
        if self.views.mixing is None or type(inner) is not DefaultSampler or not inner.shuffle:
            return iter(inner)
        return iter(pairs_together(inner, self.views.partners(self.epoch)).tolist())


def pairs_together(sampler: DefaultSampler, partner: np.ndarray) -> np.ndarray:
    """The indices of a shuffling sampler, with partners in one batch, so that no image is decoded twice.

    Args:
        sampler: The sampler, at its epoch.
        partner: The partner of each image.

    Returns:
        As many indices as it gives this process.
    """
    generator = torch.Generator().manual_seed(sampler.seed + sampler.epoch)
    order = paired(torch.randperm(len(partner), generator=generator).numpy(), partner)
    return share_of_rank(np.resize(order, sampler.total_size), sampler.rank, sampler.world_size)


def replay_loader(loader: DataLoader, seed: int | None = None, **options: Any) -> ReplayedDataset:
    """Makes a loader's views replayable, in place: wraps its data set, and lets its sampler say the epoch.

    Has to be called before the loader is read, and before its batches are numbered.

    Args:
        loader: Any loader of a data set with a length; one whose data set is replayed already takes no options.
        seed: The seed of the views.
        options: Those of :class:`ReplayedDataset`.

    Returns:
        The data set that it has now.

    Raises:
        UserError: Its views cannot be replayed.
    """
    dataset = loader.dataset
    if isinstance(dataset, IterableDataset) or not hasattr(dataset, '__len__'):
        raise UserError(f'a replayed loader expects a data set with a length, got {type(dataset).__name__}, which has '
                        'none. Take one whose images are listed.')
    if not isinstance(dataset, ReplayedDataset):
        dataset = ReplayedDataset(dataset, seed, **options)
        object.__setattr__(loader, 'dataset', dataset)  # DataLoader itself allows no change
    elif seed is not None or options:
        raise UserError('a replayed loader expects one seed, got a data set that is replayed already. Leave '
                        'mmkd.ReplayedDataset out of the recipe, or the other seed.')
    batches = loader.batch_sampler
    while hasattr(batches, 'batches'):  # numbered already
        batches = batches.batches
    sampler = loader.sampler if batches is None else batches.sampler
    tagged = _tagged(sampler, dataset)
    if batches is not None:
        batches.sampler = tagged
    if loader.sampler is sampler:
        object.__setattr__(loader, 'sampler', tagged)
    return dataset


def _tagged(sampler: Any, dataset: ReplayedDataset) -> Any:
    if isinstance(sampler, ViewSampler) or hasattr(sampler, 'untagged'):
        return sampler
    if not isinstance(sampler, InfiniteSampler):
        return ViewSampler(sampler, dataset)
    # It has no passes: which one an index belongs to follows from its place in the stream of all processes.
    sampler.untagged = sampler._infinite_indices
    sampler._infinite_indices = lambda: (ViewIndex(index, place // sampler.size)
                                         for place, index in enumerate(sampler.untagged()))
    sampler.indices = sampler._indices_of_rank()
    return sampler
