"""Building from a registry with errors that name the nearest valid types."""
import difflib
import re
from collections.abc import Iterator, Mapping

from mmengine import registry as root
from mmengine.registry import Registry

from mmkd.utils.errors import UserError, nearest


def find_type(registry: Registry, cfg: dict, what: str) -> type:
    """Looks up the class that a config names.

    Args:
        registry: The mmkd registry to search first.
        cfg: Config with a ``type`` of scope ``mmkd`` (or of any other, if it says so).
        what: What asks for the class, for the error message.

    Raises:
        UserError: The type is missing or unknown.
    """
    if not isinstance(cfg, dict) or 'type' not in cfg:
        raise UserError(f"{what} expects a config like dict(type='mmkd.KDLoss'), got {cfg!r}.")
    kind = cfg['type']
    found = registry.get(kind) if isinstance(kind, str) else kind if callable(kind) else None
    if found is None:
        names = [f'mmkd.{name}' for name in registry.module_dict]
        raise UserError(f'{what} expects a registered type, got {kind!r}. {nearest(str(kind), names)}')
    return found


def type_name(cfg: object) -> str:
    """The bare name of the class that a config's ``type`` names: as text, or as the class of a new-style config."""
    kind = cfg.get('type') if isinstance(cfg, Mapping) else None
    return kind.rpartition('.')[2] if isinstance(kind, str) else getattr(kind, '__name__', '')


def is_distiller(model: object) -> bool:
    """Whether the config of a model is that of :class:`mmkd.distillers.Distiller`."""
    kind = model.get('type') if isinstance(model, dict) else None
    package = kind if isinstance(kind, str) and '.' in kind else getattr(kind, '__module__', 'mmkd')
    return type_name(model) == 'Distiller' and (package.split('.')[0] == 'mmkd' or kind == 'Distiller')


def build(registry: Registry, cfg: dict, what: str) -> object:
    """Builds an object from its config.

    Args:
        registry: The mmkd registry to search first.
        cfg: Config with a ``type``; see :func:`find_type`.
        what: What asks for the object, for the error message.

    Returns:
        The object.

    Raises:
        UserError: The type is missing or unknown, or an argument has no such name.
    """
    find_type(registry, cfg, what)
    try:
        return registry.build(dict(cfg))
    except TypeError as error:
        raise UserError(f'{what} cannot be built: {error}.') from error


def unknown_type(error: KeyError) -> str | None:
    """Rewrites MMEngine's error about a type that is in none of its registries.

    Args:
        error: Any ``KeyError``.

    Returns:
        One line with the nearest types; None if the error is about something else.
    """
    found = re.match(r'(\S+) is not in the \S+::(.+?) registry', str(error.args[0]) if error.args else '')
    if found is None:
        return None
    kind, of_what = found.groups()
    valid = {f'{scope}.{name}' if '.' in kind else name: f'{scope}.{name}' for scope, name in _types(of_what)}
    close = ', '.join(valid[name] for name in difflib.get_close_matches(kind, valid, n=3, cutoff=0.5))
    return (f'the config expects a registered {of_what}, got {kind!r}. '
            + (f'Did you mean {close}?' if close else 'Check its spelling and its scope.'))


def _types(of_what: str) -> Iterator[tuple[str, str]]:
    """Scope and name of all that is registered as a model, a hook, …, in every package imported so far."""
    for registry in registries(of_what):
        yield from ((registry.scope, name) for name in registry.module_dict)


def registries(of_what: str | None = None) -> Iterator[Registry]:
    """The registries of models, of hooks, … (all by default) of every package imported so far."""
    pending = [registry for registry in vars(root).values()
               if isinstance(registry, Registry) and of_what in (None, registry.name)]
    while pending:
        registry = pending.pop()
        pending.extend(registry.children.values())
        yield registry
