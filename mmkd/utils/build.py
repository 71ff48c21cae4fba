"""Building from a registry with errors that name the nearest valid types."""
from mmengine.registry import Registry

from .errors import UserError, nearest


def build(registry: Registry, cfg: dict, what: str) -> object:
    """Builds an object of scope ``mmkd`` (or of any other, if its type says so).

    Args:
        registry: The mmkd registry to search first.
        cfg: Config with a ``type``.
        what: What asks for the object, for the error message.

    Returns:
        The object.

    Raises:
        UserError: The type is missing or unknown, or an argument has no such name.
    """
    if not isinstance(cfg, dict) or 'type' not in cfg:
        raise UserError(f"{what} expects a config like dict(type='mmkd.KDLoss'), got {cfg!r}.")
    kind = cfg['type']
    if isinstance(kind, str) and registry.get(kind) is None:
        names = [f'mmkd.{name}' for name in registry.module_dict]
        raise UserError(f'{what} expects a registered type, got {kind!r}. {nearest(kind, names)}')
    try:
        return registry.build(dict(cfg))
    except TypeError as error:
        raise UserError(f'{what} cannot be built: {error}.') from error
