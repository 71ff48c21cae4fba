"""The modules of the zoo import each other in one direction only."""
import ast
from graphlib import TopologicalSorter
from pathlib import Path

import mmkd.zoo

FOLDER = Path(mmkd.zoo.__file__).parent


def imported(path: Path) -> set[str]:
    """The zoo's modules that a module imports, within functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module:
            found.add(node.module.partition('.')[0])
        elif isinstance(node, ast.ImportFrom) and (node.module or '').startswith('mmkd.zoo.'):
            found.add(node.module.split('.')[2])
    return found


def test_no_circle():
    arrows = {path.stem: imported(path) for path in FOLDER.glob('*.py')}
    assert 'pretrained' in arrows['safe_loading'] and 'loading' in arrows['pretrained']
    list(TopologicalSorter(arrows).static_order())  # raises if there is a circle
