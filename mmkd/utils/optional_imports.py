"""Keeps quiet about an optional part of OpenMMLab that nobody asked for.

The fork's mmdet and mmseg look for the package of a commercial data service, OneDL, and note at the level DEBUG that it
is missing. MMEngine's ``print_log`` without a logger prints whatever the level is, so each run said so several times.
"""
import logging
from functools import wraps
from typing import Any

import mmengine.logging

LINE = 'Could not import OneDL'


def hush_onedl() -> None:
    """Leaves out exactly that line, for modules that are imported from now on."""
    inner = mmengine.logging.print_log
    if hasattr(inner, '__wrapped__'):
        return

    @wraps(inner)
    def print_log(msg: Any, logger: Any = None, level: int = logging.INFO) -> None:
        if not (logger is None and level == logging.DEBUG and str(msg).startswith(LINE)):
            inner(msg, logger, level)

    mmengine.logging.print_log = print_log
