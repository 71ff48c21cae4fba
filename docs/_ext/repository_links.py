"""Makes the links that work in the repository work on the site, too.

A page of the repository's root is shown by a page here that includes it and nothing else. Links to pages lead to pages,
links to configs and their folders to the pages made of these, and links to other files download them.
"""
import os
import re
from pathlib import Path

from sphinx.application import Sphinx

HERE = Path(__file__).resolve().parents[1]
ROOT = HERE.parent
INCLUDE = re.compile(r'^```\{include\} (\.\./\S+\.md)\n```$', re.MULTILINE)
LINK = re.compile(r'(?<=\]\()(?!\w+:|#|/)([^)#\s]+)(#[^)\s]*)?(?=\))')
# A page that is named by its path gets its title.
NAMED = re.compile(r'\[[\w./-]+\.md\](?=\(\S+\.md(?:#[^)\s]*)?\))')
FENCE = re.compile(r'^(```.*?^```)$', re.MULTILINE | re.DOTALL)


def shown_root_pages() -> dict[Path, str]:
    """Files of the repository's root to the pages that include them."""
    pages = {}
    for page in HERE.glob('*.md'):
        for target in INCLUDE.findall(page.read_text(encoding='utf-8')):
            pages[_plain(HERE / target)] = f'/{page.name}'
    return pages


def slug(path: Path) -> str:
    """The anchor of a config on its family's page; the heading is its path."""
    family = path.relative_to(ROOT / 'configs').parts[0]
    heading = path.relative_to(ROOT / 'configs' / family).with_suffix('').as_posix()
    return re.sub(r'[^\w-]', '', heading.lower())


def relink(text: str, folder: Path, pages: dict[Path, str]) -> str:
    """Rewrites the relative links of Markdown.

    Args:
        text: The Markdown.
        folder: Where its file is in the repository.
        pages: What :func:`shown_root_pages` gives.

    Returns:
        The text, with paths that begin at the site's source.
    """
    def rewritten(match: re.Match) -> str:
        target, anchor = _plain(folder / match[1]), match[2] or ''
        if target in pages:
            return pages[target] + anchor
        if target.is_relative_to(HERE):
            return f'/{target.relative_to(HERE)}{anchor}'
        if target.is_relative_to(ROOT / 'configs') and target.exists():
            return _config_page(target)
        return f'/{os.path.relpath(target, HERE)}{anchor}'

    parts = FENCE.split(text)
    return ''.join(part if part.startswith('```') else NAMED.sub('[]', LINK.sub(rewritten, part)) for part in parts)


def _plain(path: Path) -> Path:
    """A path without ``..``; links of the file system are kept, so that a tree of them can be built, too."""
    return Path(os.path.normpath(path))


def _config_page(target: Path) -> str:
    family = target.relative_to(ROOT / 'configs').parts[:1]
    page = f'/configs/{family[0] if family else "index"}.md'
    return f'{page}#{slug(target)}' if target.suffix == '.py' else page


def _read(app: Sphinx, name: str, source: list[str]) -> None:
    path = Path(app.env.doc2path(name))
    if path.suffix != '.md' or path.is_relative_to(HERE / 'configs'):
        return
    pages = shown_root_pages()
    text = relink(source[0], HERE, pages)
    for target in INCLUDE.findall(source[0]):
        app.env.note_dependency(str(HERE / target))
        shown = relink((HERE / target).read_text(encoding='utf-8'), ROOT, pages)
        text = text.replace(f'```{{include}} {target}\n```', shown)
    source[0] = text


def setup(app: Sphinx) -> dict[str, bool]:
    """Rewrites every page when it is read."""
    app.connect('source-read', _read)
    return dict(parallel_read_safe=True, parallel_write_safe=True)
