"""The epoch of an index, whatever the sampler, the processes and the place where a run goes on."""
import pytest
import torch
from mmengine.dataset import DefaultSampler, InfiniteSampler, pseudo_collate
from mmpretrain.datasets import RepeatAugSampler
from torch.utils.data import DataLoader, IterableDataset, RandomSampler, Sampler

from mmkd.datasets.replay import replay_loader
from mmkd.engine.resume.replay import number_batches
from mmkd.utils import UserError
from tests.processes import run_ranks

from .pictures import MIXING, dataset, loader, seen, write_pictures


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return write_pictures(tmp_path_factory.mktemp('pictures'))


def order(loader: DataLoader) -> list[list[tuple[int, int]]]:
    """Epoch and index of each sample of each batch of a pass; nothing is loaded."""
    return [[(index.epoch, int(index)) for index in batch] for batch in loader.batch_sampler]


def test_the_order_stays_where_nothing_is_mixed(folder):
    made, plain = loader(folder), DefaultSampler(range(13), seed=0)
    for epoch in (0, 3):
        made.sampler.set_epoch(epoch), plain.set_epoch(epoch)
        assert sum(order(made), []) == [(epoch, index) for index in plain]
    assert len(made) == 4 and len(made.sampler) == 13 and made.sampler.round_up and made.sampler.shuffle


@pytest.mark.parametrize('size', [4, 6])
def test_partners_share_a_batch(folder, size):
    made = loader(folder, mixing=MIXING, batch_size=size)
    made.sampler.set_epoch(2)
    batches, partner = order(made), made.dataset.partners(2)
    assert sorted(sum(batches, [])) == [(2, index) for index in range(13)]
    assert all((2, partner[index]) in batch for batch in batches for _, index in batch)
    made.sampler.set_epoch(3)
    assert [index for _, index in sum(order(made), [])] != [index for _, index in sum(batches, [])]


def test_other_samplers_keep_their_order_and_decode_partners(folder):
    data = dataset(folder)
    made = DataLoader(data, 4, sampler=DefaultSampler(data, shuffle=False), collate_fn=pseudo_collate)
    replay_loader(made, 5, mixing=MIXING, checksums='all')
    assert [index for _, index in sum(order(made), [])] == list(range(13))
    assert seen(made) == seen(loader(folder, mixing=MIXING))


def test_an_infinite_sampler_has_epochs_by_its_place(folder):
    """Of all processes together, and after its indices were begun anew."""
    made = loader(folder, sampler=InfiniteSampler)
    stream, reference = iter(made.batch_sampler), InfiniteSampler(range(13), seed=0)
    wanted = iter(reference)
    for place in range(0, 40, 4):
        batch = next(stream)
        assert [int(index) for index in batch] == [next(wanted) for _ in range(4)]
        assert [index.epoch for index in batch] == [(place + k) // 13 for k in range(4)]
    sampler = made.sampler
    sampler.rank, sampler.world_size = 1, 2
    sampler.indices = sampler._indices_of_rank()
    found = [next(sampler.indices) for _ in range(13)]
    assert [index.epoch for index in found] == [(1 + 2 * k) // 13 for k in range(13)]


def test_repeats_of_repeated_augmentation_look_otherwise(folder):
    data = dataset(folder)
    made = DataLoader(data, 4, sampler=RepeatAugSampler(data, num_repeats=3, seed=0), collate_fn=pseudo_collate)
    replay_loader(made, 5, checksums='all')
    made.sampler.set_epoch(2)
    found = sum(order(made), [])
    assert len(found) == len(set(found)) == 13 and {epoch for epoch, _ in found} == {6, 7, 8}
    codes = seen(made, (2, ))
    assert len(codes) == len(set(codes.values())) == 13


@pytest.mark.parametrize('kind', [DefaultSampler, InfiniteSampler])
@pytest.mark.parametrize('mixing', [None, MIXING])
@pytest.mark.parametrize('steps', [2, 4, 6])
def test_a_run_goes_on_with_the_views_that_follow(folder, kind, mixing, steps):
    def views(loader, count, epoch=0):
        found = []
        while len(found) < count:
            loader.sampler.set_epoch(epoch)
            for batch in loader:
                found.append([(sample.view, sample.view_checksum) for sample in batch['data_samples']])
                if len(found) == count:
                    break
            epoch += 1
        return found
    made = loader(folder, sampler=kind, mixing=mixing)
    number_batches(made, 0)
    expected = views(made, 9)
    again = loader(folder, workers=2, sampler=kind, mixing=mixing)
    batches = number_batches(again, 0)
    batches.advance(steps)
    assert views(again, 9 - steps, batches.rounds) == expected[steps:]
    if kind is DefaultSampler and steps == 6:  # as a loop of epochs goes on
        again = loader(folder, mixing=mixing)
        batches = number_batches(again, 0)
        batches.number, batches.skip = 6, 2
        assert views(again, 3, epoch=1) == expected[6:]


def test_numbered_batches_may_come_first(folder):
    data = dataset(folder)
    made = DataLoader(data, 4, sampler=DefaultSampler(data, shuffle=True, seed=0), collate_fn=pseudo_collate)
    number_batches(made, 0)
    replay_loader(made, 5, checksums='all')
    assert seen(made, (1, )) == seen(loader(folder), (1, ))
    assert replay_loader(made) is made.dataset  # tagged already
    with pytest.raises(UserError, match='replayed already'):
        replay_loader(made, 5)


def test_own_batch_samplers_and_samplers_without_epochs(folder):
    class Halves:
        def __init__(self, sampler: Sampler, batch_size: int) -> None:
            self.sampler, self.batch_size = sampler, batch_size

        def __iter__(self):
            whole = list(self.sampler)
            return iter([whole[:7], whole[7:]])

        def __len__(self) -> int:
            return 2

    data = dataset(folder)
    made = DataLoader(data, batch_sampler=Halves(RandomSampler(data), 7), collate_fn=pseudo_collate)
    replay_loader(made, 5, checksums='all')
    made.batch_sampler.sampler.set_epoch(3)  # as MMEngine's hook does
    batches = order(made)
    assert [len(batch) for batch in batches] == [7, 6] and sorted(sum(batches, [])) == [(3, i) for i in range(13)]
    single = DataLoader(data, batch_size=None, sampler=RandomSampler(data))
    replay_loader(single, 5, checksums='all')
    single.sampler.set_epoch(1)
    assert {each['data_samples'].view for each in single} == {(1, index) for index in range(13)}


def test_what_cannot_be_replayed(folder):
    class Endless(Sampler):
        def __init__(self) -> None:
            pass

        def __iter__(self):
            while True:
                yield 0

        def __len__(self) -> int:
            return 13

    class Stream(IterableDataset):
        def __iter__(self):
            return iter(())

    data = dataset(folder)
    made = DataLoader(data, 4, sampler=Endless(), collate_fn=pseudo_collate)
    replay_loader(made, 5)
    with pytest.raises(UserError, match='passes end, or InfiniteSampler, got Endless'):
        order(made)
    with pytest.raises(UserError, match='length, got Stream'):
        replay_loader(DataLoader(Stream()), 5)
    with pytest.raises(UserError, match='seed'):
        replay_loader(DataLoader(data))


def _rank(rank: int, folder, out, mixing) -> None:
    made = loader(folder, mixing=mixing)
    torch.save(seen(made, (0, 1)), out / f'views_{rank}.pth')


@pytest.mark.processes
@pytest.mark.parametrize('mixing', [None, MIXING])
def test_two_processes_see_the_views_of_one(folder, tmp_path, mixing):
    run_ranks(_rank, tmp_path, folder, tmp_path, mixing)
    shares = [torch.load(tmp_path / f'views_{rank}.pth') for rank in range(2)]
    assert len(shares[0]) == len(shares[1]) == 14
    assert shares[0] | shares[1] == seen(loader(folder, mixing=mixing), (0, 1))
