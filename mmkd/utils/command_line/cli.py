"""What the command-line tools share."""
import argparse
import functools
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

from mmkd.utils.files.logs import stop_at_full_logs
from mmkd.utils.processes.lost_batches import report_lost_batches
from mmkd.utils.processes.ranks import speaks

PROGRAM = 'MMKD_PROGRAM'  # how the command mmkd tells a tool under which name it was called


class ToolParser(argparse.ArgumentParser):
    """The parser of a tool: argparse's, with the flag ``--traceback`` that every tool has."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if PROGRAM in os.environ:
            kwargs['prog'] = os.environ.pop(PROGRAM)  # not for the tools that this one starts
        super().__init__(*args, **kwargs)
        self.add_argument('--traceback', action=_ShowTraceback, nargs=0, default=argparse.SUPPRESS,
                          help='show where an error comes from')

    def error(self, message: str) -> NoReturn:
        """Ends the tool, with one process's words where there are several."""
        if not speaks():
            sys.exit(2)
        super().error(message)


class _ShowTraceback(argparse.Action):
    wanted = False

    def __call__(self, *_: Any) -> None:
        _ShowTraceback.wanted = True


def one_line_errors(main: Callable[[], int | None]) -> Callable[[], int | None]:
    """Decorates a tool's ``main``: what a user can mend becomes one line on stderr and exit status 2.

    See :mod:`mmkd.utils.command_line.mendable` for which errors these are; others keep their traceback, and
    ``--traceback`` shows it of all. Of several processes on a machine one speaks. An interruption ends with exit
    status 130.
    A batch that a worker cannot hand over and a log that cannot be written are errors like others, in workers that are
    started anew as well: they import the tool.
    """
    report_lost_batches()
    stop_at_full_logs()

    @functools.wraps(main)
    def wrapped() -> int | None:
        _ShowTraceback.wanted = False
        try:
            return _flushed(main)
        except KeyboardInterrupt:
            if speaks():
                print('interrupted', file=sys.stderr)
            sys.exit(130)
        except BrokenPipeError:
            _close_quietly()
            sys.exit(141)
        except Exception as error:
            from .mendable import explain
            message = explain(error)
            if not speaks():
                sys.exit(1 if message is None else 2)
            if message is None:
                raise
            if _ShowTraceback.wanted:
                traceback.print_exc()
            print('error:', message, file=sys.stderr)
            sys.exit(2)

    return wrapped


def _flushed(main: Callable[[], int | None]) -> int | None:
    """Runs a tool and prints all it has to say: when Python ends, it would be too late to notice a closed pipe."""
    try:
        status = main()
    except SystemExit:  # after --help
        sys.stdout.flush()
        raise
    sys.stdout.flush()
    return status


def _close_quietly() -> None:
    """Sends what is still to be printed nowhere: a reader such as ``head`` has gone."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            os.dup2(nowhere, stream.fileno())
