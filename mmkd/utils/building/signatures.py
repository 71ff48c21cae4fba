"""What a recipe says of a class, held against the class's signature: names of arguments, and their types."""
import functools
import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from mmkd.utils.errors import UserError, nearest

from .arguments import is_finite

TEXTS = {float: 'a finite number', int: 'a whole number', bool: 'True or False', str: 'text', dict: 'a dict',
         type(None): 'None', Path: 'a path'}
LISTS = (list, tuple, Sequence, typing.Sequence)


def checks_arguments(cls: type) -> type:
    """Decorates a class: its constructor compares its arguments with the signature, those of its bases included.

    A subclass checks for itself, if it is decorated. Types are those that mmkd's classes are annotated with; a plain
    ``dict``, and one for which a module may stand, is left to the class, which says what belongs into it.

    Args:
        cls: The class; it is changed in place.

    Returns:
        The class.
    """
    original = cls.__init__

    @functools.wraps(original)
    def __init__(self: object, *args: Any, **kwargs: Any) -> None:
        if type(self) is cls:
            check_call(cls, original, args, kwargs)
        original(self, *args, **kwargs)

    cls.__init__ = __init__
    return cls


def check_call(cls: type, init: Callable, args: tuple, kwargs: dict) -> None:
    """Compares the arguments of a constructor with what the class takes.

    Raises:
        UserError: There is no argument of that name, one is missing, or one has another type.
    """
    _check_names(cls, kwargs)
    try:
        given = inspect.signature(init).bind(None, *args, **kwargs).arguments
    except TypeError as error:
        names = ', '.join(accepted(cls)[0])
        raise UserError(f'{cls.__name__} expects other arguments: {error}. It takes {names}.') from error
    _check_types(cls, {**given, **kwargs})


def check_given(cls: type, cfg: Mapping[str, object]) -> None:
    """Compares the arguments in a class's config with what it takes, whatever it is given beside them.

    Raises:
        UserError: There is no argument of that name, or one has another type.
    """
    given = {name: value for name, value in cfg.items() if name not in ('type', '_scope_')}  # which the registry reads
    _check_names(cls, given)
    _check_types(cls, given)


def _check_names(cls: type, given: Mapping[str, object]) -> None:
    names, is_open = accepted(cls)
    for name in given:
        if name not in names and not is_open:
            raise UserError(f'{cls.__name__} expects arguments that it has, got {name!r}. {nearest(name, names)}')


def _check_types(cls: type, given: Mapping[str, object]) -> None:
    names = accepted(cls)[0]
    for name, value in given.items():
        if not _is_left_to_class(names.get(name, Any)):
            check_type(cls.__name__, name, value, names.get(name, Any))


def _is_left_to_class(hint: object) -> bool:
    options = typing.get_args(hint)
    return hint is dict or dict in options and any(map(_is_module, options))


def _is_module(hint: object) -> bool:
    """Whether an annotation is a class of PyTorch's modules, which need not be imported for that."""
    return inspect.isclass(hint) and hint.__module__.startswith('torch.nn.')


def check_type(owner: str, name: str, value: object, hint: object) -> None:
    """Compares one value with an annotation.

    Raises:
        UserError: It is of another type, or no finite number.
    """
    if not fits(value, hint):
        raise UserError(f'{owner} expects {name} to be {described(hint)}, got {value!r}. '
                        f'Change {name}, or leave it out.')


def check_values(owner: str, function: Callable, **values: object) -> None:
    """Compares values with the annotations of the function that they are arguments of.

    Raises:
        UserError: One is of another type.
    """
    hints = _hints(inspect.unwrap(function))
    for name, value in values.items():
        check_type(owner, name, value, hints[name])


@functools.cache
def accepted(cls: type) -> tuple[dict[str, object], bool]:
    """The arguments of a constructor, and of those that it hands the rest to.

    Returns:
        Name to annotation (``Any`` for those of other packages), and whether there may be arguments of any name.
    """
    names, own = {}, cls.__module__.partition('.')[0]
    for base in cls.__mro__:
        if '__init__' not in vars(base):
            continue
        function = inspect.unwrap(base.__init__)
        if base is object or not inspect.isfunction(function):
            return names, base is not object
        hints = _hints(function) if base.__module__.partition('.')[0] == 'mmkd' else {}
        parameters = list(inspect.signature(function).parameters.values())[1:]
        for parameter in parameters:
            if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                names.setdefault(parameter.name, hints.get(parameter.name, Any))
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
            return names, False
        if base.__module__.partition('.')[0] not in ('mmkd', own):  # which may hand them to anything
            return names, True
    return names, True


def _hints(function: Callable) -> dict[str, object]:
    try:
        return typing.get_type_hints(function)
    except (NameError, TypeError):  # a name that is imported for type checkers only
        return {}


def fits(value: object, hint: object) -> bool:
    """Whether a value is what an annotation says; a list may stand for a tuple, and a whole number for a float."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, option) for option in inner)
    if origin is typing.Literal:
        return value in inner
    if origin in LISTS or hint in LISTS:
        return _fits_list(value, origin, inner)
    if hint is float:
        return isinstance(value, Real) and not isinstance(value, bool) and is_finite(value)
    if hint is int:
        return isinstance(value, Integral) and not isinstance(value, bool)
    if hint is Path:
        return isinstance(value, str | Path)
    if dict in (hint, origin) or Mapping in (hint, origin):
        return isinstance(value, Mapping)
    if hint in (None, type(None)):
        return value is None
    return isinstance(value, hint) if hint in (bool, str) or _is_module(hint) else True


def _fits_list(value: object, origin: object, inner: tuple) -> bool:
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Sequence):
        return False
    if origin is tuple and inner and Ellipsis not in inner:
        return len(value) == len(inner) and all(map(fits, value, inner))
    return not inner or all(fits(item, inner[0]) for item in value)


def described(hint: object) -> str:
    """An annotation in words."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return ' or '.join(dict.fromkeys(map(described, inner)))
    if origin is typing.Literal:
        return f'one of {", ".join(map(repr, inner))}'
    if origin in LISTS or hint in LISTS:
        if origin is tuple and inner and Ellipsis not in inner:
            return f'a list of {len(inner)}, each {described(inner[0])}'
        return f'a list, each {described(inner[0])}' if inner else 'a list'
    if _is_module(hint):
        return f'an nn.{hint.__name__}'
    return TEXTS.get(origin if origin is dict else hint, getattr(hint, '__name__', str(hint)))
