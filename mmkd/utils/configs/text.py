"""Configs as text that people read: in the order in which they were made, a value that is there already by its name."""
import ast
import math
from collections.abc import Mapping
from keyword import iskeyword
from pathlib import PurePath
from typing import Any

import numpy as np
import torch

from mmkd.utils.errors import UserError

WIDTH = 120


def config_text(config: Mapping[str, Any]) -> str:
    """Writes a config.

    Args:
        config: Names to values: numbers, NumPy's among them, text, paths, lists, ranges, tuples, dicts and other
            literals.

    Returns:
        Python that makes the same values: paths and PyTorch's types as text, ranges as lists. A dict or list that an
        earlier name of the config has is written as that name.

    Raises:
        UserError: A value is none of these, such as an array or a module.
    """
    lines, known = [], {}
    for name, value in config.items():
        lines.append(f'{name} = {_text(value, 0, len(name) + 3, known, name)}')
        if isinstance(value, dict | list) and value:
            known[name] = value
    return '\n'.join(lines) + '\n'


def _text(value: Any, indent: int, used: int, known: Mapping[str, Any], key: str) -> str:
    """A value, on one line if it fits after what the line has already; ``key`` is where it stands."""
    if isinstance(value, range):
        value = list(value)
    if not isinstance(value, dict | list | tuple):
        return _scalar(value, key)
    same = next((name for name, each in known.items() if not isinstance(value, tuple) and _is_same(each, value)), None)
    if same is not None:
        return same
    parts = _parts(value, indent + 4, known, key)
    opening, closing = _brackets(value)
    line = opening + ', '.join(parts) + (',' if isinstance(value, tuple) and len(parts) == 1 else '') + closing
    if indent + used + len(line) <= WIDTH and '\n' not in line:
        return line
    inner = ''.join(f'\n{" " * (indent + 4)}{part},' for part in parts)
    return f'{opening}{inner[:-1]}{closing}' if opening == 'dict(' else f'{opening}{inner}\n{" " * indent}{closing}'


def _scalar(value: Any, key: str) -> str:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, PurePath):
        value = str(value)
    if isinstance(value, torch.dtype):
        value = str(value).removeprefix('torch.')
    if isinstance(value, float) and not math.isfinite(value):
        return f"float('{value}')"
    text = repr(value)
    try:
        ast.literal_eval(text)
    except (ValueError, SyntaxError) as error:
        raise UserError(f'{key} expects a value that a config can hold (a number, text, a list, a dict …), got '
                        f'{type(value).__name__}. Convert it.') from error
    return text


def _is_same(one: Any, other: Any) -> bool:
    """Whether two values are equal and of the same types throughout: ``True`` is not 1."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_is_same(one[key], other[key]) for key in one)
    if any(isinstance(one, kind) and isinstance(other, kind) for kind in (list, tuple)):
        return len(one) == len(other) and all(map(_is_same, one, other))
    return type(one) is type(other) and bool(one == other)


def _parts(value: Any, indent: int, known: Mapping[str, Any], key: str) -> list[str]:
    if not isinstance(value, dict):
        return [_text(each, indent, 1, known, f'{key}.{number}') for number, each in enumerate(value)]
    names = [f'{name}=' if _are_names(value) else f'{_scalar(name, key)}: ' for name in value]
    return [name + _text(each, indent, len(name) + 1, known, f'{key}.{inner}')
            for name, (inner, each) in zip(names, value.items(), strict=True)]


def _brackets(value: Any) -> tuple[str, str]:
    if isinstance(value, dict):
        return ('dict(', ')') if _are_names(value) else ('{', '}')
    return ('[', ']') if isinstance(value, list) else ('(', ')')


def _are_names(value: dict) -> bool:
    return all(isinstance(key, str) and key.isidentifier() and not iskeyword(key) for key in value)
