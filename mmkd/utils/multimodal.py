"""Keeps a ``transformers`` of another age from breaking mmpretrain and mmdet.

``mmpretrain.models`` imports its multimodal models as soon as ``transformers`` is installed, and they subclass and call
what its newer versions have dropped: the import dies, and with it everything that mmpretrain has. Here those models are
left out then; whoever builds one is told what is missing, as without ``transformers``.

mmdet takes ``transformers.modeling_utils`` if it can be imported, and expects an ``ImportError`` if not. Beside a
PyTorch that is too old for it, that module dies of a ``NameError``.
"""
import ast
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

SWITCH = 'mmpretrain.utils.dependency'  # whose WITH_MULTIMODAL the others read
GUARDED = 'transformers.modeling_utils'
READERS = ('models/multimodal', 'models/utils/huggingface.py', 'models/utils/tokenizer.py')


class MultimodalFinder(MetaPathFinder):
    """Finds :data:`SWITCH` and :data:`GUARDED` as Python does, and has a say when they are loaded."""

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """The module's own spec with a loader around its loader; None for all other modules."""
        spec = PathFinder.find_spec(name, path, target) if name in (SWITCH, GUARDED) else None
        if spec is not None and spec.loader is not None:
            spec.loader = _LoaderAround(spec.loader)
        return spec


class _LoaderAround(Loader):
    """Runs the switch, then looks whether what it turns on can be imported; gives the other one's errors a kind."""

    def __init__(self, inner: Loader) -> None:
        self._inner = inner

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._inner.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        try:
            self._inner.exec_module(module)
        except (NameError, AttributeError, TypeError) as error:
            raise ImportError(f'{module.__name__} cannot be imported: {error}', name=module.__name__) from error
        if module.__name__ == SWITCH:
            switch_off_if_broken(module)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def leave_out_broken_multimodal() -> None:
    """Makes ``import mmpretrain.models`` work beside any ``transformers``; imports nothing itself."""
    if not any(isinstance(finder, MultimodalFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, MultimodalFinder())
    loaded = sys.modules.get(SWITCH)
    if loaded is not None and 'mmpretrain.models' not in sys.modules:
        switch_off_if_broken(loaded)


def switch_off_if_broken(dependency: ModuleType) -> None:
    """Sets ``WITH_MULTIMODAL`` to False where it is set and the models would not import.

    Args:
        dependency: ``mmpretrain.utils.dependency``.
    """
    root = Path(dependency.__file__ or '').parents[1]
    if getattr(dependency, 'WITH_MULTIMODAL', False) and not _all_there(root):
        dependency.WITH_MULTIMODAL = False  # type: ignore[attr-defined]


def _all_there(root: Path) -> bool:
    """Whether ``transformers`` runs with this PyTorch, and has every name that mmpretrain imports of it."""
    try:
        if not import_module('transformers.utils').is_torch_available():
            return False
        return all(hasattr(import_module(module), name) for module, name in sorted(set(_wanted(root))))
    except Exception:  # whatever an import of another version raises
        return False


def _wanted(root: Path) -> Iterator[tuple[str, str]]:
    """Module and name of all that the files import of ``transformers`` when they are imported themselves."""
    paths = [path for reader in READERS for path in (sorted((root / reader).rglob('*.py'))
                                                     if (root / reader).is_dir() else [root / reader])]
    for path in paths:
        if not path.is_file():
            continue
        for statement in _at_import(ast.parse(path.read_text(encoding='utf-8')).body):
            if isinstance(statement, ast.ImportFrom) and (statement.module or '').split('.')[0] == 'transformers':
                yield from ((str(statement.module), alias.name) for alias in statement.names)


def _at_import(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run when a module is imported; those of a try, but not of its handlers."""
    for statement in body:
        yield from _at_import(statement.body) if isinstance(statement, ast.Try) else [statement]
