"""Every config file, each read once."""
import json
import pickle
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config

from mmkd.utils.configs.finding import config_root, load_config

ROOT = config_root().resolve()  # the checkout's, of an editable install too
LEAVES = sorted(path for path in ROOT.rglob('*.py') if '_base_' not in path.parts)
_READ, _KNOWN = Config._file2dict, {}


def shown(path: Path) -> str:
    """A config's name below ``configs``."""
    return path.relative_to(ROOT).as_posix()


def read_once(filename: str, *args: Any, **kwargs: Any) -> tuple:
    """MMEngine's reading of a file, kept, as hundreds of configs inherit the same ones."""
    key = (str(filename), *args, *sorted(kwargs.items()))
    if key not in _KNOWN:
        _KNOWN[key] = pickle.dumps(_READ(filename, *args, **kwargs))
    return pickle.loads(_KNOWN[key])


def reading_once(read: Callable[[], Any]) -> Any:
    """Calls a function while MMEngine reads each file once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Config, '_file2dict', staticmethod(read_once))
        return read()


@cache
def every_config() -> dict[str, Config]:
    """Name to config, of all that are no base; not to be changed."""
    return reading_once(lambda: {shown(path): load_config(path) for path in LEAVES})


@cache
def config_below(name: str) -> Config:
    """A config that another one names; not to be changed."""
    return reading_once(lambda: load_config(name))


def fingerprint(value: Any) -> str:
    """A config, or a part of one, as text."""
    return json.dumps(value, sort_keys=True, default=str)
