"""A batch that a worker cannot hand over: an error with the reason, where PyTorch's loader waits for ever."""
import resource
import sys

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from mmkd.utils.command_line.mendable import explain
from mmkd.utils.processes import lost_batches
from mmkd.utils.processes.lost_batches import Queue, report_lost_batches

pytestmark = pytest.mark.skipif(not sys.platform.startswith('linux'), reason='limits files to fill shared memory')


class Large(Dataset):
    """Items of 400 kB in a process that may write files of 100 kB; item 0 is smaller."""

    def __len__(self):
        return 4

    def __getitem__(self, index):
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
        return dict(image=torch.zeros(100_000 if index else 10))


class Unsendable(Large):
    """Items that cannot be pickled."""

    def __getitem__(self, index):
        return lambda: index


@pytest.fixture(autouse=True)
def _queue(monkeypatch):
    monkeypatch.setattr(Queue, '_on_queue_feeder_error', Queue._on_queue_feeder_error)
    report_lost_batches()


def loader(dataset: Dataset) -> DataLoader:
    return DataLoader(dataset, num_workers=2, collate_fn=list, timeout=60, multiprocessing_context='fork')


def test_full_shared_memory():
    batches = iter(loader(Large()))
    assert next(batches)[0]['image'].shape == (10, )
    with pytest.raises(RuntimeError, match='File too large') as caught:
        next(batches)
    assert explain(caught.value).startswith('a worker of the data loader cannot hand over a batch: unable to')
    assert explain(caught.value).endswith('lower num_workers (0 needs none) or the batch size.')


def test_what_cannot_be_pickled():
    with pytest.raises(Exception, match="in DataLoader worker process 0(.|\n)*'Unsendable.__getitem__"):
        next(iter(loader(Unsendable())))


def test_other_queues_are_left_alone(capfd):
    lost_batches._report(None, ValueError('from a queue of no loader'), ('a', 'b'))
    assert 'from a queue of no loader' not in capfd.readouterr().out


def test_a_program_without_pytorch_starts_without_it(monkeypatch):
    """Nothing is imported for the queues of a tool that has no data loader; their errors go where they went."""
    dropped = []
    monkeypatch.setattr(lost_batches, '_drop', lambda *of_the_queue: dropped.append(of_the_queue))
    monkeypatch.delitem(sys.modules, 'torch')
    error = ValueError('of a plain queue')
    lost_batches._report(None, error, ('a', 'b'))
    assert dropped == [(error, ('a', 'b'))] and 'torch' not in sys.modules
