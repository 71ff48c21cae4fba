"""Errors that a user can mend, and suggestions for misspelt names."""
import difflib
import re
from collections.abc import Iterable

_FROM_WORKER = re.compile(r'Caught \w+ in DataLoader worker process')


class UserError(ValueError):
    """A wrong input, described in one line: what was expected, what was found, how to mend it.

    The command-line tools print it without a traceback; in Python it is an ordinary
    ``ValueError``. One that a data loader's worker has raised keeps its own line of the worker's report.
    """

    def __init__(self, *args: object) -> None:
        if len(args) == 1 and _FROM_WORKER.match(str(args[0])):
            args = (str(args[0]).rpartition(f'{type(self).__qualname__}: ')[2].strip(), )
        super().__init__(*args)


def lacks_memory(error: BaseException) -> bool:
    """Whether an error says that there is not enough memory, of the machine or of a GPU."""
    text = str(error)
    return isinstance(error, MemoryError) or 'out of memory' in text or "can't allocate memory" in text


def nearest(name: str, valid: Iterable[str], most: int = 5) -> str:
    """Lists the valid names nearest to a misspelt one, for an error message.

    Args:
        name: The name that was not found.
        valid: All valid names.
        most: How many names to list at the most.

    Returns:
        ``'Did you mean a, b? Valid: a, b, c, …'``; the second part names all if they are few.
    """
    names = sorted(set(valid))
    close = difflib.get_close_matches(name, names, n=most, cutoff=0.5)
    hint = f'Did you mean {", ".join(close)}? ' if close else ''
    listed = names if len(names) <= 20 else [*names[:20], f'… ({len(names)} in all)']
    return f'{hint}Valid: {", ".join(listed) or "none"}.'
