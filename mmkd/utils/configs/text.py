"""Configs as text that people read: in the order in which they were made, a value that is there already by its name."""
from collections.abc import Mapping
from keyword import iskeyword
from typing import Any

WIDTH = 120


def config_text(config: Mapping[str, Any]) -> str:
    """Writes a config.

    Args:
        config: Names to values: numbers, text, lists, tuples, dicts and what its own ``repr`` describes.

    Returns:
        Python that makes the same values. A dict or list that an earlier name of the config has is written as that
        name.
    """
    lines, known = [], {}
    for name, value in config.items():
        lines.append(f'{name} = {_text(value, 0, len(name) + 3, known)}')
        if isinstance(value, dict | list) and value:
            known[name] = value
    return '\n'.join(lines) + '\n'


def _text(value: Any, indent: int, used: int, known: Mapping[str, Any]) -> str:
    """A value, on one line if it fits after what the line has already."""
    same = next((name for name, each in known.items() if isinstance(value, dict | list) and each == value), None)
    if same is not None:
        return same
    if not isinstance(value, dict | list | tuple):
        return repr(value)
    parts = _parts(value, indent + 4, known)
    opening, closing = _brackets(value)
    line = opening + ', '.join(parts) + (',' if isinstance(value, tuple) and len(parts) == 1 else '') + closing
    if indent + used + len(line) <= WIDTH and '\n' not in line:
        return line
    inner = ''.join(f'\n{" " * (indent + 4)}{part},' for part in parts)
    return f'{opening}{inner[:-1]}{closing}' if opening == 'dict(' else f'{opening}{inner}\n{" " * indent}{closing}'


def _parts(value: Any, indent: int, known: Mapping[str, Any]) -> list[str]:
    if not isinstance(value, dict):
        return [_text(each, indent, 1, known) for each in value]
    plain = _are_names(value)
    keys = [f'{key}=' if plain else f'{key!r}: ' for key in value]
    return [key + _text(each, indent, len(key) + 1, known) for key, each in zip(keys, value.values(), strict=True)]


def _brackets(value: Any) -> tuple[str, str]:
    if isinstance(value, dict):
        return ('dict(', ')') if _are_names(value) else ('{', '}')
    return ('[', ']') if isinstance(value, list) else ('(', ')')


def _are_names(value: dict) -> bool:
    return all(isinstance(key, str) and key.isidentifier() and not iskeyword(key) for key in value)
