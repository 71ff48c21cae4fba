"""PyTorch's torchrun, whose own report of a failed process is left out: the process has said what went wrong.

Run as ``python -m mmkd.utils.processes.torchrun``, with the arguments of ``python -m torch.distributed.run``.
"""
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ProcessFailure


def main(argv: list[str] | None = None) -> int:
    """Runs the processes to their end.

    Args:
        argv: The command line; that of the process if None.

    Returns:
        The exit status of the process that failed first; 128 and the signal's number if a signal ended them.
    """
    try:
        return _run(argv)
    except KeyboardInterrupt:
        return 130


def _run(argv: list[str] | None) -> int:
    from torch.distributed.elastic.multiprocessing import SignalException  # takes seconds, and may be interrupted
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import parse_args, run
    os.environ.setdefault('OMP_NUM_THREADS', '1')  # as torchrun does, with a warning of five lines
    for name in ('torch.distributed.elastic', 'torch.distributed.run', 'torch.distributed.launcher'):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        run(parse_args(argv))
    except ChildFailedError as error:
        return _status(*error.get_first_failure())
    except SignalException as error:
        return 128 + int(error.sigval)
    return 0


def _status(rank: int, failure: 'ProcessFailure') -> int:
    if failure.exitcode >= 0:
        return failure.exitcode
    number = -failure.exitcode
    reason = ' Often the memory is full.' if number == signal.SIGKILL else ''
    print(f'error: process {rank} was ended by {signal.Signals(number).name}.{reason}', file=sys.stderr)
    return 128 + number


if __name__ == '__main__':
    sys.exit(main())
