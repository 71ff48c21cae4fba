"""Writes the API reference and the pages of the configs, by walking over what is there. No list has to be edited."""
import ast
import inspect
import re
from pathlib import Path

from repository_links import HERE, ROOT, relink, shown_root_pages
from sphinx.application import Sphinx

API = HERE / 'api'
CONFIGS = HERE / 'configs'
SKIPPED = {'.mim', '__pycache__'}


def module_name(path: Path) -> str:
    """The dotted name of a Python file of the package."""
    parts = path.relative_to(ROOT).with_suffix('').parts
    return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)


def first_sentence(docstring: str | None) -> str:
    """The first paragraph of a docstring, in one line of reST that a table takes."""
    paragraph = inspect.cleandoc(docstring or '').split('\n\n')[0]
    return ' '.join(paragraph.split())


def public_names(tree: ast.Module) -> list[ast.ClassDef | ast.FunctionDef]:
    """The classes and functions of a module that are not private."""
    return [node for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)
            and not node.name.startswith('_')]


def _title(text: str, underline: str = '=') -> str:
    return f'{text}\n{underline * len(text)}\n'


def _module_page(name: str, has_members: bool) -> str:
    members = '' if has_members else '   :no-members:\n'
    return f'{_title(name)}\n.. automodule:: {name}\n{members}'


def _package_page(folder: Path, modules: list[Path]) -> str:
    """What a package is for, a table of its public names, and its modules."""
    name = module_name(folder / '__init__.py')
    rows = {'class': '', 'func': ''}  # classes first: recipes name them
    for path in modules:
        for node in public_names(ast.parse(path.read_text(encoding='utf-8'))):
            role = 'class' if isinstance(node, ast.ClassDef) else 'func'
            rows[role] += (f'   * - :{role}:`~{module_name(path)}.{node.name}`\n'
                           f'     - {first_sentence(ast.get_docstring(node))}\n')
    every = ''.join(rows.values())
    table = f'.. list-table::\n   :widths: 30 70\n\n{every}\n' if every else ''
    listed = ''.join(f'   {module_name(path).removeprefix(name + ".")} <{module_name(path)}>\n' for path in modules)
    return (f'{_title(name)}\n.. automodule:: {name}\n   :no-members:\n   :no-index:\n\n{table}'
            f'.. toctree::\n   :hidden:\n\n{listed}')


def write(path: Path, text: str) -> Path:
    """Writes a page unless it is there already, so that Sphinx reads again only what has changed."""
    path.parent.mkdir(exist_ok=True)
    if not path.is_file() or path.read_text(encoding='utf-8') != text:
        path.write_text(text, encoding='utf-8')
    return path


def write_api() -> set[Path]:
    """Writes a page for each package below ``mmkd`` and each of its modules."""
    pages, packages = set(), []
    for folder in sorted(path.parent for path in (ROOT / 'mmkd').glob('*/__init__.py')):
        modules = [path for path in sorted(folder.rglob('*.py')) if not SKIPPED & set(path.parts)
                   and path != folder / '__init__.py' and path.name != '__main__.py']
        modules = [path for path in modules if path.name != '__init__.py' or public_names(ast.parse(path.read_text()))]
        packages.append(module_name(folder / '__init__.py'))
        pages.add(write(API / f'{packages[-1]}.rst', _package_page(folder, modules)))
        pages |= {write(API / f'{module_name(path)}.rst', _module_page(module_name(path), True)) for path in modules}
    rows = ''.join(f'   * - :doc:`{name} <{name}>`\n     - {first_sentence(_docstring(name))}\n' for name in packages)
    listed = ''.join(f'   {name}\n' for name in packages)
    introduction = ('What a recipe names as ``type=\'mmkd.NAME\'`` is a class of one of these packages. The names that '
                    'other code may rely on are those of :doc:`mmkd.apis` and the classes that recipes name; the rest '
                    'may move.')
    pages.add(write(API / 'index.rst', f'{_title("API reference")}\n{introduction}\n\n.. list-table::\n'
                    f'   :widths: 30 70\n\n{rows}\n.. toctree::\n   :hidden:\n\n{listed}'))
    return pages


def _docstring(package: str) -> str | None:
    path = ROOT.joinpath(*package.split('.'), '__init__.py')
    return ast.get_docstring(ast.parse(path.read_text(encoding='utf-8')))


def write_configs() -> set[Path]:
    """Writes a page for each folder of ``configs``: its README and every config."""
    shown, pages, families = shown_root_pages(), set(), []
    for folder in sorted(path for path in (ROOT / 'configs').iterdir() if path.is_dir() and path.name not in SKIPPED):
        readme = folder / 'README.md'
        text = f'# Shared parts: `{folder.name}`\n'
        if readme.is_file():
            text = relink(readme.read_text(encoding='utf-8'), folder, shown)
        blocks = []
        for path in sorted(folder.rglob('*.py')):
            heading = path.relative_to(folder).with_suffix('').as_posix()
            code = path.read_text(encoding='utf-8').strip()
            blocks.append(f'### `{heading}`\n\n```python\n{code}\n```\n')
        pages.add(write(CONFIGS / f'{folder.name}.md', f'{text}\n## Configs\n\n' + '\n'.join(blocks)))
        title = re.search(r'^# (.+)$', text, re.MULTILINE)[1]
        families.append(f'- [{title}]({folder.name}.md)\n')
    hidden = ''.join(re.findall(r'\((.+\.md)\)\n', line)[0] + '\n' for line in families)
    index = f'# Configs\n\n{"".join(families)}\n```{{toctree}}\n:hidden:\n\n{hidden}```\n'
    pages.add(write(CONFIGS / 'index.md', index))
    return pages


def _generate(app: Sphinx) -> None:
    pages = write_api() | write_configs()
    for path in {*API.glob('*.rst'), *CONFIGS.glob('*.md')} - pages:
        path.unlink()


def setup(app: Sphinx) -> dict[str, bool]:
    """Writes the pages before Sphinx looks for any."""
    app.connect('builder-inited', _generate)
    return dict(parallel_read_safe=True, parallel_write_safe=True)
