"""Overriding entries of a config by dotted keys, so that one override leaves the others alone.

MMEngine splits every key at its dots. Where a config itself has keys with dots (the ``options`` of a student or a
teacher, the ``custom_keys`` of an optimizer) that makes a second entry beside the first, and one of them is lost.
"""
import difflib
from collections.abc import Iterator

from mmengine.config import Config, ConfigDict

from mmkd.utils.errors import UserError, nearest

from .keys import check_entry, is_read, may_be_read

DELETE = '_delete_'


def nested(options: dict) -> dict:
    """Turns dotted keys into nested dicts; of two entries for the same thing the later one wins.

    Args:
        options: Such as ``{'model.backbone.depth': 50, 'model': {'backbone': {'with_cp': True}}}``.

    Returns:
        Such as ``{'model': {'backbone': {'depth': 50, 'with_cp': True}}}``.

    Raises:
        UserError: A key is no text.
    """
    result: dict = ConfigDict()
    for key, value in options.items():
        if not isinstance(key, str):
            raise UserError(f"options expect keys such as 'model.backbone.depth', got {key!r}. Write it as text.")
        _merge(_tree(key.split('.'), value), result)
    return result


def nest_options(model: object) -> None:
    """Turns the ``options`` of every student and teacher within a model's config into nested dicts, in place."""
    values = list(model) if isinstance(model, list | tuple) else []
    if isinstance(model, dict):
        if 'config' in model and isinstance(model.get('options'), dict):
            model['options'] = nested(model['options'])
        values = [model[key] for key in model if key != 'options']
    for value in values:
        nest_options(value)


def merge_options(config: Config, options: dict) -> None:
    """Overrides entries of a config.

    Args:
        config: The config; changed in place.
        options: Dotted keys to values, as ``--cfg-options`` gives them, or nested dicts.

    Raises:
        UserError: Nothing reads a key, or the config has no such place.
    """
    nest_options(config._cfg_dict.get('model'))
    for key, value in options.items():
        if not isinstance(key, str):
            raise UserError(f"options expect keys such as 'model.backbone.depth', got {key!r}. Write it as text.")
        _check_read(config, key, options)
        path = _path(config._cfg_dict, key)
        try:
            config.merge_from_dict({path[0][0]: _tree([part for part, _ in path[1:]], value, path)})
        except (KeyError, TypeError, IndexError, AttributeError) as error:
            raise UserError(f'option {key} expects a place that the config has, got {value!r} for it: '
                            f'{error.args[0] if error.args else error}. {_close(config, key)}') from error


def _tree(parts: list[str], value: object, path: list[tuple[str, bool]] | None = None) -> object:
    """``a.b`` and a value as nested dicts; those that replace None say so, as does a dict that replaces a value."""
    replaces = [new for _, new in path or []]
    if isinstance(value, dict) and replaces and replaces[-1]:
        value = ConfigDict({**value, DELETE: True})
    for depth, part in reversed(list(enumerate(parts))):
        value = ConfigDict({part: value})
        if replaces and replaces[depth]:
            value[DELETE] = True
    return value


def _merge(new: dict, into: dict) -> None:
    for key, value in new.items():
        old = into.get(key)
        if isinstance(value, dict) and isinstance(old, dict) and not value.get(DELETE):
            _merge(value, old)
        else:
            into[key] = ConfigDict(value) if isinstance(value, dict) else value


def _path(config: dict, key: str) -> list[tuple[str, bool]]:
    """The key's parts, joined where the config has a key with dots, each with whether a dict would replace its value.

    Raises:
        UserError: The path goes through something that has no entries.
    """
    parts, path, place = key.split('.'), [], config
    while parts:
        found = 1
        if isinstance(place, dict):
            found = next((n for n in range(len(parts), 0, -1) if '.'.join(parts[:n]) in place), 1)
        part, parts = '.'.join(parts[:found]), parts[found:]
        if isinstance(place, dict):
            place = place.get(part, {})
        elif isinstance(place, list) and part.isdigit() and int(part) < len(place):
            place = place[int(part)]
        else:
            what = f'numbers from 0 to {len(place) - 1}' if isinstance(place, list) else 'nothing below it'
            raise UserError(f'option {key} expects {what} after {".".join(name for name, _ in path)!r}, got {part!r}.')
        path.append((part, place is None if parts else not isinstance(place, dict | list)))
        if place is None:
            place = {}
    return path


def _check_read(config: Config, key: str, options: dict) -> None:
    first = key.split('.')[0]
    if not is_read(first) and not may_be_read(config, first):
        known = f'{first} is a variable of the config file, which was read before' if first in config else \
            f'nothing reads {first}'
        raise UserError(f'option {key} expects a key that is read, but {known}. {_close(config, key)}')
    check_entry(config, key, options, _close)


def _close(config: Config, key: str) -> str:
    """The config's keys that are nearest to a wrong one."""
    known = [name for name in dict.fromkeys(_dotted(config._cfg_dict)) if is_read(name.split('.')[0])]
    same = [name for name in known if name.endswith(f'.{key}')]
    close = same or difflib.get_close_matches(key, known, n=3, cutoff=0.6)
    close = close or [name for name in known if name.endswith('.' + key.rpartition('.')[2])]
    return f'Did you mean {", ".join(close[:3])}?' if close else nearest(key.split('.')[0], config)


def _dotted(place: object, prefix: str = '') -> Iterator[str]:
    items = place.items() if isinstance(place, dict) else enumerate(place) if isinstance(place, list) else ()
    for key, value in items:
        yield f'{prefix}{key}'
        yield from _dotted(value, f'{prefix}{key}.')
