"""Training batches whose random draws follow from their number alone, so that any of them can be drawn again."""
import random
from collections.abc import Iterator
from itertools import islice

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.runner import Runner
from torch.utils.data import DataLoader, Dataset, IterableDataset

DATA, MODEL = 1, 2  # what is drawn: augmentations, or mixups and dropped paths


def seed_all(*words: int) -> None:
    """Seeds Python, NumPy and PyTorch.

    Args:
        words: Non-negative numbers; other numbers give other draws.
    """
    seed = int(np.random.SeedSequence(list(words)).generate_state(1)[0])
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def shared_seed(runner: Runner) -> int:
    """The seed of a run in all of its processes, for draws that have to be the same in each.

    With ``randomness=dict(diff_rank_seed=True)``, ``runner.seed`` has the rank added to it.
    """
    return runner.seed - (get_rank() if runner._randomness_cfg.get('diff_rank_seed') else 0)


class NumberedBatch(list):
    """The indices of a batch.

    Args:
        indices: The indices.
        words: What its draws are seeded with, in whichever process loads it.
    """

    def __init__(self, indices: list[int], words: tuple[int, ...]) -> None:
        super().__init__(indices)
        self.words = words


class NumberedBatches:
    """A batch sampler that numbers the batches of another through the whole training.

    Args:
        batches: The other; what is not defined here is its own.
        seed: The run's seed.
        rank: The rank of the process.
    """

    def __init__(self, batches: object, seed: int, rank: int) -> None:
        self.batches, self.seed, self.rank = batches, seed, rank
        self.seeded = True  # whether the numbers seed the draws
        self.number = 0  # of the next batch
        self.skip = 0  # batches that the next pass leaves out
        self.rounds = 0  # whole passes left out by advance
        self._begun: Iterator[list[int]] | None = None

    def __getattr__(self, name: str) -> object:
        if name.startswith('__') or name == 'batches':
            raise AttributeError(name)
        return getattr(self.batches, name)

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[int]]:
        begun, self._begun = self._begun, None
        skip, self.skip = self.skip, 0
        for indices in islice(iter(self.batches) if begun is None else begun, skip, None):
            words = (self.seed, self.number, self.rank, DATA) if self.seeded else ()
            self.number += 1
            yield NumberedBatch(indices, words)

    def advance(self, steps: int) -> None:
        """Leaves out what a loop that starts again at the end of each pass has trained; no data are loaded.

        Args:
            steps: How many batches that are.
        """
        self.number = left = steps
        self._begun = iter(self.batches)
        while left and len(self.batches):
            left -= sum(1 for _ in islice(self._begun, left))
            if left:
                self.rounds += 1
                if hasattr(self.batches.sampler, 'set_epoch'):
                    self.batches.sampler.set_epoch(self.rounds)
                self._begun = iter(self.batches)


class SeededFetch:
    """Loads a dataset's samples; takes the place of its ``__getitems__``, by which PyTorch fetches a batch.

    Args:
        dataset: The dataset.
    """

    def __init__(self, dataset: Dataset) -> None:
        self.dataset, self.many = dataset, getattr(dataset, '__getitems__', None)

    def __call__(self, indices: list[int]) -> list:
        """Loads a batch's samples."""
        words = getattr(indices, 'words', ())
        if words:
            seed_all(*words)
        return self.many(indices) if self.many else [self.dataset[index] for index in indices]


def number_batches(loader: DataLoader, seed: int) -> NumberedBatches | None:
    """Numbers a loader's batches, in place.

    Args:
        loader: The training data.
        seed: The run's seed.

    Returns:
        Its batch sampler; None if it has none.
    """
    if isinstance(loader.batch_sampler, NumberedBatches):
        return loader.batch_sampler
    if loader.batch_sampler is None or isinstance(loader.dataset, IterableDataset):
        return None
    batches = NumberedBatches(loader.batch_sampler, seed, get_rank())
    object.__setattr__(loader, 'batch_sampler', batches)  # DataLoader itself allows no change
    loader.dataset.__getitems__ = SeededFetch(loader.dataset)
    return batches
