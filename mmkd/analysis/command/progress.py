"""How far an analysis is: a bar on a terminal, a plain line now and then elsewhere."""
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from mmengine.dist import is_main_process
from tqdm import tqdm

from mmkd.utils.command_line.durations import clock

Item = TypeVar('Item')
LINE_SECONDS = 15.0


def progress(items: Iterable[Item], total: int, what: str) -> Iterator[Item]:
    """Passes items on, and says on stderr how many of them are done and about how long the rest takes.

    Args:
        items: The items.
        total: Their number.
        what: What is done with them.
    """
    if not is_main_process():
        yield from items
    elif sys.stderr.isatty():
        yield from tqdm(items, total=total, desc=what, leave=False, dynamic_ncols=True)
    else:
        yield from _lines(items, total, what)


def _lines(items: Iterable[Item], total: int, what: str) -> Iterator[Item]:
    start = time.monotonic()
    next_line = start + LINE_SECONDS
    for done, item in enumerate(items):
        now = time.monotonic()
        if done and now >= next_line:
            next_line = now + LINE_SECONDS
            left = clock((now - start) / done * max(total - done, 0))
            print(f'{what}: {done} of {total}, about {left} left', file=sys.stderr, flush=True)
        yield item
