"""Finding the package of a model that a config names without one, where no default scope says it."""
from importlib.util import find_spec

from mmengine.logging import print_log
from mmengine.registry import MODELS

from mmkd.utils import UserError, nearest

PACKAGES = ('mmpretrain', 'mmdet', 'mmseg')


def with_scope(cfg: dict, role: str) -> dict:
    """Says of a model's config which package its types are of, if that is not known.

    Args:
        cfg: Config of a model; one that says its scope, or whose type is known as it is, stays as it is.
        role: ``'student'`` or ``'teacher'``, for messages.

    Returns:
        The config, with the ``_scope_`` of the first of :data:`PACKAGES` that has its type.

    Raises:
        UserError: None has.
    """
    kind = cfg.get('type')
    if not isinstance(kind, str) or '.' in kind or '_scope_' in cfg or _is_known(kind):
        return cfg
    owners = [package for package in PACKAGES if find_spec(package) and MODELS.get(f'{package}.{kind}') is not None]
    if not owners:
        names = {name: f'{package}.{name}' for package in PACKAGES if package in MODELS.children
                 for name in MODELS.children[package].module_dict}
        raise UserError(f'{role} expects the type of a model, got {kind!r}. {_nearest(kind, names)}')
    others = ', '.join(f'{package}.{kind}' for package in owners[1:])
    print_log(f"The {role}'s type {kind!r} is taken from {owners[0]}."
              + (f' Write {others} for the other.' if others else ''), logger='current')
    return cfg | dict(_scope_=owners[0])


def _is_known(kind: str) -> bool:
    with MODELS.switch_scope_and_registry(None) as registry:
        return registry.get(kind) is not None


def _nearest(kind: str, names: dict[str, str]) -> str:
    return nearest(kind, names).split(' Valid:')[0] + ' Write a package before it, such as mmpretrain.ImageClassifier.'
