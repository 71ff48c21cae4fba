"""docs/architecture.md holds: which rooms there are, who imports whom, and the way of a batch."""
import ast
import re
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / 'docs' / 'architecture.md').read_text(encoding='utf-8')
ROOMS = re.findall(r'^\| `(\w+)/?` \|', PAGE, re.MULTILINE)  # from the highest to the lowest
PASSED_THROUGH = 'mmkd'  # mmkd/__init__.py stands above all


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix('').parts
    return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)


@cache
def modules() -> dict[str, Path]:
    return {dotted(path): path for path in sorted((ROOT / 'mmkd').rglob('*.py'))}


def imported(module: str, path: Path) -> Iterator[str]:
    """The modules of mmkd that a module imports, wherever in it, but for type checkers."""
    package = module if path.name == '__init__.py' else module.rpartition('.')[0]
    tree = ast.parse(path.read_text(encoding='utf-8'))
    typing_only = {id(inner) for node in ast.walk(tree) if isinstance(node, ast.If)
                   and ast.unparse(node.test) == 'TYPE_CHECKING' for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith('mmkd.'))  # mmkd itself: for all
        if not isinstance(node, ast.ImportFrom) or id(node) in typing_only:
            continue
        base = package.split('.')[:len(package.split('.')) - node.level + 1] if node.level else []
        source = '.'.join([*base, *([node.module] if node.module else [])])
        if source.partition('.')[0] == 'mmkd':
            yield from (full if (full := f'{source}.{alias.name}') in modules() else source for alias in node.names)


@cache
def graph() -> dict[str, set[str]]:
    return {module: set(imported(module, path)) - {module} for module, path in modules().items()}


def room(module: str) -> str:
    return f'{module}.'.split('.')[1] or PASSED_THROUGH


def test_the_page_names_all_rooms_and_no_others():
    there = {path.stem for path in (ROOT / 'mmkd').iterdir()
             if path.suffix == '.py' or (path / '__init__.py').is_file()}
    assert set(ROOMS) == there - {'__init__'} and len(ROOMS) == len(set(ROOMS))


def test_no_arrow_runs_upwards():
    height = {name: -number for number, name in enumerate(ROOMS)} | {PASSED_THROUGH: 1}
    upwards = [f'{module} imports {other}' for module, others in graph().items() for other in sorted(others)
               if height[room(other)] > height[room(module)]]
    assert upwards == []


def test_no_circle():
    try:
        TopologicalSorter({module: others for module, others in graph().items() if module != 'mmkd'}).prepare()
    except CycleError as error:
        pytest.fail(' -> '.join(error.args[1]))


def test_a_room_is_no_drawer():
    """More than a dozen modules side by side do different jobs, but for those that are found by their names."""
    crowded = [str(folder.relative_to(ROOT)) for folder in {path.parent for path in modules().values()}
               if 'import_submodules(' not in (folder / '__init__.py').read_text(encoding='utf-8')
               and len([path for path in folder.glob('*.py') if path.name != '__init__.py']) > 13]
    assert crowded == []


@pytest.mark.parametrize(('file', 'function'), re.findall(r'`(mmkd/[\w/]+\.py)`, `([\w.]+)`', PAGE))
def test_the_way_of_a_batch(file, function):
    tree = ast.parse((ROOT / file).read_text(encoding='utf-8'))
    names = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    assert set(function.split('.')) <= names, f'{file} has no {function}'
