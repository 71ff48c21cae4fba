"""A log file that cannot be written ends the run like any other file; Python's logging would print a traceback a line.

What goes to a terminal may get lost: a run outlives the terminal that it was started from.
"""
import logging
import sys

_print_traceback = logging.FileHandler.handleError


def _handle_error(self: logging.FileHandler, record: logging.LogRecord) -> None:
    error = sys.exc_info()[1]
    if isinstance(error, OSError):
        error.filename = self.baseFilename
        raise error
    _print_traceback(self, record)


def stop_at_full_logs() -> None:
    """Changes the log files of this process."""
    logging.FileHandler.handleError = _handle_error
