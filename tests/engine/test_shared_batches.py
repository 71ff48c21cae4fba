"""Whole batches shared out to processes: each image once, with the same draws wherever it is read."""
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset

from mmkd.engine.shared_batches import SharedBatches, joined, shared_loader
from mmkd.utils import UserError
from mmkd.utils.randomness import unchanged_generators


class Draws(Dataset):
    """Numbers, each with a random one."""

    def __len__(self) -> int:
        return 7

    def __getitem__(self, index: int) -> tuple[int, torch.Tensor]:
        return index, torch.rand(())


class Endless(IterableDataset):
    """No length."""

    def __iter__(self):
        yield from range(3)


@pytest.mark.parametrize('world', [1, 2, 3, 5])
@pytest.mark.parametrize(('images', 'size'), [(7, 2), (8, 4), (1, 4), (9, 3)])
def test_each_image_is_in_one_batch_of_one_process(images, size, world):
    shares = [list(SharedBatches(images, size, rank, world)) for rank in range(world)]
    assert sorted(i for share in shares for batch in share for i in batch) == list(range(images))
    alone = list(SharedBatches(images, size))
    assert all(batch in alone for share in shares for batch in share)
    assert [len(SharedBatches(images, size, rank, world)) for rank in range(world)] == [*map(len, shares)]


def test_a_batch_draws_the_same_each_time_and_in_each_process():
    loader = shared_loader(DataLoader(Draws(), batch_size=2, shuffle=True, drop_last=True), 'loader')
    first = [(tuple(index.tolist()), tuple(value.tolist())) for index, value in loader]
    torch.rand(5)
    assert [(tuple(index.tolist()), tuple(value.tolist())) for index, value in loader] == first
    assert [index for index, _ in first] == [(0, 1), (2, 3), (4, 5), (6, )]
    assert len({value for _, values in first for value in values}) == 7
    half = DataLoader(loader.dataset, batch_sampler=SharedBatches(7, 2, 1, 2))
    assert [tuple(value.tolist()) for _, value in half] == [first[1][1], first[3][1]]


def test_rows_of_one_process_are_joined():
    rows = [torch.ones(2, 3), torch.zeros(1, 3)]
    assert joined(rows, SharedBatches(3, 2)).tolist() == [[1.] * 3, [1.] * 3, [0.] * 3]


@pytest.mark.parametrize('dataset', [Endless(), []])
def test_data_without_a_length(dataset):
    with unchanged_generators(), pytest.raises(UserError, match='bank expects a data set with a length above 0'):
        shared_loader(DataLoader(dataset), 'bank')
