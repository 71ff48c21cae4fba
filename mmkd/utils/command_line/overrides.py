"""``--cfg-options KEY=VALUE``, with values that may hold dicts."""
import argparse
import ast
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from mmengine.config import DictAction

from mmkd.utils.errors import UserError

QUOTED = re.compile(r"""(['"])(?![\[(])(?![-+.,\deE ]*['"]$).*[, ].*\1""", re.DOTALL)  # no list, and no numbers


class ConfigOptions(DictAction):
    """MMEngine's action, which takes dicts as well: ``custom_hooks="[dict(type='mmkd.EMAHook')]"``.

    Values are read as MMEngine reads them (``1,2``, ``[a,b]``), but those with a dict inside: as Python literals, where
    ``dict(key=value)`` is one. A text in quotes keeps its commas and spaces: ``load_from="'a, b.pth'"``.
    """

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Sequence[str] | None,
                 option_string: str | None = None) -> None:
        """Adds the values to those that were there; what cannot be read ends the tool with a line."""
        options = dict(getattr(namespace, self.dest, None) or {})
        for text in values or ():
            key, separator, value = text.partition('=')
            if not separator:
                parser.error(f'{option_string} expects KEY=VALUE, got {text!r}.')
            try:
                options[key] = parse_value(value)
            except UserError as error:
                parser.error(f'{option_string} {key}: {error}')
        setattr(namespace, self.dest, options)


def parse_value(text: str) -> Any:
    """Reads the value of an option.

    Raises:
        UserError: It has a dict that is none, or brackets that do not close.
    """
    if 'dict(' in text or '{' in text:
        try:
            return _literal(ast.parse(text.strip(), mode='eval').body)
        except (SyntaxError, ValueError) as error:
            raise UserError(f"expects a value such as [dict(type='mmkd.EMAHook', momentum=1e-4)], got {text!r}. Put it "
                            'in double quotes, and texts inside it in single ones.') from error
    with suppress(SyntaxError, ValueError):  # such as 'it's, b'
        if QUOTED.fullmatch(text) and isinstance(value := ast.literal_eval(text), str):
            return value
    try:
        return DictAction._parse_iterable(text)
    except (AssertionError, RecursionError) as error:
        raise UserError(f'expects brackets that close, got {text!r}. Correct it.') from error


def written(value: object) -> str:
    """What :func:`parse_value` reads as this value again, with its type.

    That is the value as it is printed where it will do, else a text in quotes, else a literal, which the dict in a
    comment behind it has read as one: MMEngine drops the quotes of ``'1'`` and the spaces in ``['a b', 'c']``.
    """
    for text in (str(value), repr(value), f'{value!r}  # {{}}'):
        with suppress(UserError):  # brackets, as in a path
            if repr(parse_value(text)) == repr(value):
                return text
    return str(value)


def _literal(node: ast.expr) -> Any:
    """A Python literal that may hold calls of ``dict``; nothing else is called."""
    if isinstance(node, ast.List | ast.Tuple):
        return (list if isinstance(node, ast.List) else tuple)(map(_literal, node.elts))
    if isinstance(node, ast.Dict):
        if None in node.keys:
            raise ValueError('a dict inside a dict')
        return {_literal(key): _literal(value) for key, value in zip(node.keys, node.values, strict=True)}
    if isinstance(node, ast.Call):
        if not isinstance(node.func, ast.Name) or node.func.id != 'dict' or node.args or any(
                keyword.arg is None for keyword in node.keywords):
            raise ValueError('a call of something else')
        return {keyword.arg: _literal(keyword.value) for keyword in node.keywords}
    if isinstance(node, ast.Name) and node.id in ('inf', 'nan'):
        return float(node.id)
    return ast.literal_eval(node)
