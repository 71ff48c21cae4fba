"""Files of data that are read as configs, and nothing in which may run code.

MMEngine takes any name that can be imported for a type, so ``type: subprocess.run`` in a YAML file would be a program,
as is a Python config that such a file names. :func:`check_runs_no_code` is for what was read;
:func:`register_harmless_configs` has MMEngine apply it to every YAML and JSON config, also to those that others inherit
from. Configs in Python are programs anyway, and none of this is for them.
"""
import difflib
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

from mmengine.config import Config
from mmengine.config import config as mmengine_config
from mmengine.config.utils import MODULE2PACKAGE
from mmengine.registry import registry as mmengine_registry

from mmkd.utils.building.build import registries
from mmkd.utils.command_line.overrides import parse_value
from mmkd.utils.errors import UserError
from mmkd.utils.trust import is_trusted

from .finding import config_root, find_config
from .values import entries

DATA = ('.yml', '.yaml', '.json')
PACKAGES = ('mmkd', 'mmpretrain', 'mmdet', 'mmseg')  # whose configs are as good as mmkd's code
# Keys of names that a registry is asked for, and of texts that OpenMMLab's packages hand to `eval`.
KIND = re.compile(r'(\w+_)?type|constructor|norm_layer|act|padding_mode|auto_wrap_policy|param_init_fn|check_fn')
EVALUATED = ('dtype', 'warp_mode', 'search_op')
SCOPE = ('_scope_', 'default_scope')
NAME = re.compile(r'[\w/-]*')
DOTTED = re.compile(r'\w+(\.\w+)+')
MEND = 'it could run code, so it was refused. If you trust its source, write it in a Python config.'

_named: set[str] = set()  # all texts of such files, and their first words: no registry imports one of them
_files: list[str] = []  # that MMEngine reads, each inherited by the one before


def check_runs_no_code(values: object, where: str) -> None:
    """Looks at all that a file of data says, before anything is built of it.

    Nothing is looked at after ``--trust-checkpoint``.

    Args:
        values: What was read: dicts, lists and values. Keys may be dotted.
        where: The file, or what it is, for the message.

    Raises:
        UserError: A type is not registered, a config in Python is named that no package ships, or something else would
            make OpenMMLab's packages run code of the file's choice.
    """
    if is_trusted():
        return
    try:
        for place, value in entries(values, ''):
            _check_place(place, value, where)
            if isinstance(value, str):
                _check_text(place, value, where)
    except RecursionError as error:
        raise UserError(f'{where} expects entries of some depth, got one that holds itself. Correct it.') from error


def _refuse(where: str, expected: str, got: object) -> NoReturn:
    raise UserError(f'{where} expects {expected}, got {got!r}: {MEND}')


def _check_place(place: str, value: object, where: str) -> None:
    parts = place.split('.')
    if 'custom_imports' in parts:
        _refuse(where, 'no custom_imports', value)
    if 'trust_remote_code' in parts and value is not False:
        _refuse(where, f'{place} to be left out', value)
    if 'compile' in parts and 'options' in parts[parts.index('compile'):]:  # they name PyTorch's C++ compiler
        _refuse(where, 'no options of compile', value)
    if '=' in place or any(re.match(r'-\D', part) for part in parts):  # another option, or another key, of a command
        _refuse(where, "keys such as 'model.backbone.depth'", place)


def _check_text(place: str, text: str, where: str) -> None:
    _named.update((text, text.partition('.')[0]))
    key = next((part for part in reversed(place.split('.')) if not part.isdigit()), '')
    if Path(text).suffix == '.py' and not _is_shipped(text):
        _refuse(where, f'{place} to name no Python config but those of {", ".join(PACKAGES)}', text)
    if key in SCOPE and text not in _scopes():
        _refuse(where, f'{place} to be one of {", ".join(sorted(_scopes()))}', text)
    if key in EVALUATED and '(' in text:
        _refuse(where, f'{place} to be a name', text)
    if KIND.fullmatch(key) and not _is_harmless_type(text, key):
        close = difflib.get_close_matches(text, _names(text), n=1, cutoff=0.7)
        _refuse(where, f'{place} to be a registered type, such as {close[0] if close else "mmkd.KDLoss"}', text)
    for inner, value in [('', read), *entries(read, '')] if (read := _as_option(text)) != text else ():
        inner = f'{place}.{inner}'.removesuffix('.')
        _check_place(inner, value, where)
        if isinstance(value, str):
            _check_text(inner, value, where)


def _as_option(text: str) -> Any:
    """What ``--cfg-options`` makes of a text: the tools hand settings on to other processes so."""
    try:
        return parse_value(text)
    except (UserError, TypeError, ValueError, IndexError, MemoryError):
        return text


def _is_shipped(name: str) -> bool:
    """Whether a config is one that an installed package of OpenMMLab's, or mmkd, brings along."""
    for package in PACKAGES:
        with suppress(UserError, OSError, ValueError):
            if find_config(name).resolve().is_relative_to(config_root(package).resolve()):
                return True
    return False


def _scopes() -> set[str]:
    """Packages of which MMEngine may import the registry."""
    return {'mmengine', 'mmkd', *MODULE2PACKAGE, *(registry.scope for registry in registries())}


def _is_registered(name: str) -> bool:
    scope, _, kind = name.partition('.')
    if scope not in _scopes():
        return False
    for module in ('mmengine.runner', 'mmcv.transforms') if scope == 'mmengine' else (f'{scope}.registry', ):
        with suppress(ImportError):
            import_module(module)
    for registry in [registry for registry in registries() if registry.scope == scope]:
        with suppress(ImportError):
            registry.import_from_location()
        if kind in registry.module_dict:
            return True
    return False


def _names(name: str) -> list[str]:
    """All that is registered in the scope of a name."""
    scope = name.partition('.')[0]
    return [f'{scope}.{kind}' for registry in registries() if registry.scope == scope for kind in registry.module_dict]


def _is_harmless_type(text: str, key: str) -> bool:
    """Whether no registry would import what a text names, and it is no expression."""
    if '.' in text if key == 'type' else DOTTED.fullmatch(text):
        return _is_registered(text)
    if not text.isidentifier():
        return key != 'type' or NAME.fullmatch(text) is not None
    if key != 'type' and text in sys.stdlib_module_names:  # such as token
        return True
    try:
        found = find_spec(text)  # imports nothing
    except ValueError:
        return False
    return found is None or found.origin is None


def register_harmless_configs() -> None:
    """Makes MMEngine's ``Config`` check the YAML and JSON files that it reads, after what it fills in.

    Its registries import no name that stands in one, under whichever key.
    """
    Config._file2dict = staticmethod(_noting(Config._file2dict))
    mmengine_config.load = _checking(mmengine_config.load)
    Config._pre_substitute_base_vars = staticmethod(_without_base_vars(Config._pre_substitute_base_vars))
    mmengine_registry.get_object_from_string = _unless_named(mmengine_registry.get_object_from_string)
    mmengine_registry.import_module = _of_known_scopes(mmengine_registry.import_module)


def check_base(base: str, path: str, file: str) -> None:
    """Looks at a config that another inherits from.

    Args:
        base: What ``_base_`` says.
        path: The file that this means.
        file: The config that says it.

    Raises:
        UserError: A config that is data inherits from a program that no package ships.
    """
    if Path(file).suffix in DATA and Path(path).suffix == '.py' and not is_trusted() and not _is_shipped(path):
        _refuse(Path(file).name, f'_base_ to name no Python config but those of {", ".join(PACKAGES)}', base)


def _noting(read: Callable) -> Callable:
    def noted(filename: str, *args: Any, **kwargs: Any) -> Any:
        _files.append(Path(filename).name)
        try:
            return read(filename, *args, **kwargs)
        finally:
            _files.pop()

    return noted


def _checking(load: Callable) -> Callable:
    def checked(file: str, *args: Any, **kwargs: Any) -> Any:
        values = load(file, *args, **kwargs)
        own = {key: value for key, value in values.items() if key != '_base_'} if isinstance(values, dict) else values
        check_runs_no_code(own, _files[-1])  # _base_ is relative to the file: see check_base
        return values

    return checked


def _without_base_vars(substitute: Callable) -> Callable:
    def checked(filename: str, temp_config_name: str) -> dict:
        found = substitute(filename, temp_config_name)
        if found and Path(filename).suffix in DATA and not is_trusted():  # they are filled in after the check
            _refuse(_files[-1], 'values', f'{{{{ _base_.{next(iter(found.values()))} }}}}')
        return found

    return checked


def _unless_named(find: Callable) -> Callable:
    def found(name: str) -> Any:
        return None if name in _named else find(name)

    return found


def _of_known_scopes(load: Callable) -> Callable:
    def loaded(name: str, *args: Any) -> Any:
        scope = name.partition('.')[0]
        if scope in _named and scope not in _scopes():  # MMEngine goes on where there is no such package
            raise ImportError(f'{scope} is no scope')
        return load(name, *args)

    return loaded
