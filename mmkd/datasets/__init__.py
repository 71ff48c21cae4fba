"""Data: sets and transforms that mmpretrain lacks, archives read in place, and what is missing or damaged."""
from importlib import import_module
from typing import Any


def __getattr__(name: str) -> Any:
    # The registered classes import mmpretrain: only where one is asked for, since `import mmkd` passes here.
    if not name.startswith('_'):
        registered = import_module('.classification', __name__)
        if name in registered.__all__:
            return getattr(registered, name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
