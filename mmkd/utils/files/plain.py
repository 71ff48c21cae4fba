"""Reading YAML and pickle files of configs, metafiles and annotations without running code that they may hold.

MMEngine reads YAML with a loader that builds any Python object, and pickles without a limit.
:func:`register_plain_files` puts readers in their place that know data only; with ``--trust-checkpoint``, MMEngine's
are used.
"""
import pickle
from typing import IO, Any

import yaml
from mmengine.fileio import register_handler
from mmengine.fileio.handlers import PickleHandler, YamlHandler

from mmkd.utils.errors import UserError
from mmkd.utils.trust import is_trusted

# Containers and numbers, under the names of both major versions of NumPy.
_CONTAINERS = {(module, name) for module in ('builtins', '__builtin__') for name in (
    'set', 'frozenset', 'complex', 'bytearray', 'slice', 'range')} | {
    ('collections', 'OrderedDict'), ('_codecs', 'encode'), ('numpy', 'ndarray'), ('numpy', 'dtype')} | {
    (f'numpy.{core}.{module}', name) for core in ('core', '_core') for module, name in
    (('multiarray', '_reconstruct'), ('multiarray', 'scalar'), ('numeric', '_frombuffer'))}


_SafeLoader: type = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)  # ten times as fast, where PyYAML has it


class _PlainLoader(_SafeLoader):
    """YAML's safe loader, which reads also the tuples that MMEngine's configs hold."""

    def construct_tuple(self, node: yaml.Node) -> tuple:
        """A sequence as a tuple."""
        return tuple(self.construct_sequence(node, deep=True))


_PlainLoader.add_constructor('tag:yaml.org,2002:python/tuple', _PlainLoader.construct_tuple)


class _PlainUnpickler(pickle.Unpickler):
    """Finds containers and numbers only, under whichever name."""

    def find_class(self, module: str, name: str) -> Any:
        """Looks a class up, as pickle asks for it."""
        if (module, name) not in _CONTAINERS:
            raise pickle.UnpicklingError(f'{module}.{name}')
        return super().find_class(module, name)


class PlainYamlHandler(YamlHandler):
    """Reads data, and refuses YAML that names Python objects."""

    def load_from_fileobj(self, file: IO, **kwargs: Any) -> Any:
        """Reads an open file."""
        if is_trusted():
            return super().load_from_fileobj(file, **kwargs)
        kwargs.setdefault('Loader', _PlainLoader)
        try:
            return super().load_from_fileobj(file, **kwargs)
        except yaml.constructor.ConstructorError as error:
            what = ' '.join(str(error.problem or error).split())
            raise UserError(f'{_name(file)} expects plain YAML, got an entry that may run code ({what}), so it was '
                            'refused. If you trust its source, pass --trust-checkpoint.') from error
        except yaml.YAMLError as error:
            text = ' '.join(str(error).split())
            raise UserError(f'{_name(file)} expects YAML, and cannot be read: {text}.') from error


class PlainPickleHandler(PickleHandler):
    """Reads containers, numbers and arrays, and refuses pickles of other objects."""

    def load_from_fileobj(self, file: IO, **kwargs: Any) -> Any:
        """Reads an open file."""
        if is_trusted():
            return super().load_from_fileobj(file, **kwargs)
        try:
            return _PlainUnpickler(file, **kwargs).load()
        except pickle.UnpicklingError as error:
            raise UserError(f'{_name(file)} expects a pickle of lists, dicts, numbers and arrays, got {error}. It may '
                            'run code, so it was refused. If you trust its source, pass --trust-checkpoint.') from error


def _name(file: IO) -> str:
    return str(getattr(file, 'name', None) or 'the file')


def register_plain_files() -> None:
    """Makes MMEngine's ``load``, and so its ``Config``, read YAML and pickles as data."""
    register_handler(['yaml', 'yml'])(PlainYamlHandler)
    register_handler(['pickle', 'pkl'])(PlainPickleHandler)
