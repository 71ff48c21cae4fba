"""Numbered batches: the same draws in any process, and any place of a training to begin at."""
import pickle
import random

import numpy as np
import pytest
import torch
from mmengine.dataset import DefaultSampler, InfiniteSampler
from torch.utils.data import DataLoader, Dataset

from mmkd.engine.resume.replay import NumberedBatch, number_batches


class Draws(Dataset):
    """Ten samples, each its index and a draw of every generator."""

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.tensor([index, random.random(), np.random.rand(), torch.rand(()).item()])


def numbered(workers: int = 0, kind: type = DefaultSampler, seed: int = 0):
    data = Draws()
    loader = DataLoader(data, 4, sampler=kind(data, shuffle=True, seed=seed), num_workers=workers)
    return loader, number_batches(loader, seed)


def test_draws_are_those_of_the_number():
    """Whatever the number of workers, whatever was drawn before, and others in each pass and for each seed."""
    loader, batches = numbered()
    first, second = list(loader), list(loader)
    assert batches.number == 6 and len(loader) == 3
    torch.manual_seed(7), random.seed(7), np.random.seed(7)
    again = list(numbered(workers=2)[0])
    assert all(torch.equal(*pair) for pair in zip(first, again, strict=True))
    assert not any(torch.equal(a[:, 1:], b[:, 1:]) for a, b in zip(first, second, strict=True))
    other = list(numbered(seed=1)[0])
    assert not any(torch.equal(a[:, 1:], b[:, 1:]) for a, b in zip(first, other, strict=True))


def test_a_pass_without_its_first_batches():
    whole = list(numbered()[0])
    loader, batches = numbered()
    batches.skip, batches.number = 2, 2
    assert torch.equal(*[torch.cat(list(each)) for each in (loader, whole[2:])])
    batches.number = 0
    assert len(list(loader)) == 3  # only once


@pytest.mark.parametrize('steps', [1, 3, 4, 6, 8])
@pytest.mark.parametrize('kind', [DefaultSampler, InfiniteSampler])
def test_advanced_over_the_end_of_a_pass(kind, steps):
    def endless(loader, epoch):
        while True:
            loader.sampler.set_epoch(epoch)
            yield from loader
            epoch += 1

    stream, found = endless(numbered(kind=kind)[0], 0), []
    expected = [next(stream) for _ in range(steps + 3)][steps:]
    loader, batches = numbered(kind=kind)
    batches.advance(steps)
    stream = endless(loader, batches.rounds)
    found = [next(stream) for _ in range(3)]
    assert all(torch.equal(*pair) for pair in zip(expected, found, strict=True))


def test_what_is_not_numbered_stays_as_it_is():
    loader, batches = numbered()
    assert batches.batch_size == 4 and batches.sampler is loader.sampler and not batches.drop_last
    assert number_batches(loader, 0) is batches
    with pytest.raises(AttributeError):
        _ = batches.nothing
    copy = pickle.loads(pickle.dumps(NumberedBatch([1, 2], (3, 4))))
    assert copy == [1, 2] and copy.words == (3, 4)
    assert number_batches(DataLoader(Draws(), batch_size=None), 0) is None
    batches.seeded = False
    torch.manual_seed(0), random.seed(0), np.random.seed(0)
    drawn = next(iter(loader))
    assert not torch.equal(drawn, next(iter(numbered()[0])))
