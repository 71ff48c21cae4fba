"""Importing every module of a registry folder, so that a new class is one new file."""
import pkgutil
from importlib import import_module


def import_submodules(package: str, path: list[str], base: type | None = None) -> dict[str, type]:
    """Imports each module directly inside a package and returns its public classes.

    Args:
        package: The package's ``__name__``.
        path: The package's ``__path__``.
        base: If given, only subclasses of it are returned.

    Returns:
        Class name to class, for the classes defined in those modules.
    """
    classes = {}
    for info in pkgutil.iter_modules(path):
        module = import_module(f'{package}.{info.name}')
        for name, value in vars(module).items():
            own = isinstance(value, type) and value.__module__ == module.__name__
            if own and not name.startswith('_') and (base is None or issubclass(value, base)):
                classes[name] = value
    return classes
