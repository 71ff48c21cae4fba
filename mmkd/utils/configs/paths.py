"""Teaching MMEngine where the configs of mmkd, mmseg, mmdet and mmpretrain are.

``_base_ = 'mmkd::…'`` goes through ``MODULE2PACKAGE`` of ``mmengine.config.utils``, which maps an import name to
a distribution's name. It is a closed list, so mmkd adds itself. Two entries would not do:

- ``mmseg`` is mapped to the distribution ``mmsegmentation``; the maintained fork's is called
  ``onedl-mmsegmentation``, and MMEngine then says that mmsegmentation is not installed.
- ``mmkd`` is in an editable install not where pip keeps the distribution's metadata, but the original MMEngine
  looks for it beside them.

A name that is no distribution is looked up with ``importlib.util.find_spec``, and its file's folder is taken. So
``mmseg`` becomes the package's own import name, and ``mmkd`` a module inside it.

MMEngine also gives every entry of a config inherited as ``scope::…`` that scope, where mmpretrain's own types are
not found: mmkd's configs name mmkd's classes with their prefix and leave all others to ``default_scope``. A config
inherited as ``mmkd::…`` is therefore read like one inherited by its path.
"""
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, distribution

from mmengine.config import Config
from mmengine.config.utils import MODULE2PACKAGE

from mmkd.utils.errors import UserError

from .finding import config_root
from .harmless import check_base
from .options import nested

# `version` and not `mmkd`, which is a distribution; its folder is the package's.
MMKD_MODULE = 'mmkd.version'
_get_cfg_path = Config._get_cfg_path
_merge_a_into_b = Config._merge_a_into_b


def register_config_paths() -> None:
    """Adds mmkd to MMEngine's map and mends the packages whose distribution has another name."""
    MODULE2PACKAGE['mmkd'] = MMKD_MODULE
    for module in ('mmdet', 'mmpretrain', 'mmseg'):
        if not _is_distribution(MODULE2PACKAGE.get(module, module)):
            MODULE2PACKAGE[module] = module
    Config._get_cfg_path = staticmethod(_get_cfg_path_without_mmkd_scope)
    Config._merge_a_into_b = staticmethod(_merge_nested_options)


def _is_distribution(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def _get_cfg_path_without_mmkd_scope(cfg_path: str, filename: str) -> tuple[str, str | None]:
    scope, external, inner = cfg_path.partition('::')
    path = _shipped(scope, inner) if external else None
    if path is None:
        path, scope = _get_cfg_path(cfg_path, filename)
    check_base(cfg_path, path, filename)
    return path, None if scope == 'mmkd' else scope


def _merge_nested_options(a: dict, b: dict, allow_list_keys: bool = False) -> dict:
    """MMEngine's, where the ``options`` of a student or a teacher inherit from others in dotted or nested form."""
    if isinstance(b, dict) and ('config' in a or 'config' in b):
        a, b = ({**entry, 'options': nested(entry['options'])} if isinstance(entry.get('options'), dict) else entry
                for entry in (a, b))
    return _merge_a_into_b(a, b, allow_list_keys)


def _shipped(package: str, inner: str) -> str | None:
    """The file, if it is where packages ship their configs; MMEngine reads all metafiles of the package to find it."""
    with suppress(UserError):
        path = config_root(package) / inner
        if path.is_file():
            return str(path)
    return None
