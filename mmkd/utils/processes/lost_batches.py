"""A batch that a data loader's worker cannot hand over ends the run; PyTorch's loader would wait for it for ever.

Workers hand tensors over in shared memory, from a thread of the queue. Where that memory is full (containers often
have 64 MB), the thread writes a traceback, drops the batch, and nobody hears of it.
"""
import sys
from multiprocessing.queues import Queue
from typing import Any

_drop = Queue._on_queue_feeder_error


def _report(self: Queue, error: BaseException, item: Any) -> None:
    """Sends the error in place of the batch, as PyTorch does with those of a data set."""
    if 'torch' not in sys.modules:  # every tool passes here, and those that need no PyTorch shall start without it
        _drop(error, item)
        return
    from torch._utils import ExceptionWrapper
    from torch.utils.data import get_worker_info
    worker = get_worker_info()
    is_batch = isinstance(item, tuple) and len(item) == 2 and not isinstance(item[1], ExceptionWrapper)
    if worker is None or not is_batch:
        _drop(error, item)
        return
    trace = (type(error), error, error.__traceback__)
    self.put((item[0], ExceptionWrapper(trace, f'in DataLoader worker process {worker.id}')))


def report_lost_batches() -> None:
    """Changes the queues of this process and of those that it forks."""
    Queue._on_queue_feeder_error = _report
