"""Writes docs/losses.md, and the table of README.md, from the losses and connectors that are registered."""
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mmkd.utils import UserError
from mmkd.utils.command_line.cli import ToolParser, one_line_errors
from mmkd.utils.files.small import write_text

ROOT = Path(__file__).resolve().parents[2]
PAGE, README = ROOT / 'docs/losses.md', ROOT / 'README.md'
METHODS, DENSE = 'configs/quickstart/methods', 'configs/dense'
START, END = '<!-- losses -->\n', '<!-- /losses -->'
PAPER = re.compile(r"(?P<authors>[A-Z]\w+(?: et al\.| and [A-Z]\w+)), (?:(?P<title>[^()]+?), )?"
                   r"(?P<when>(?:[A-Z]\w+ )?(?P<year>\d{4}))(?:, arXiv (?P<arxiv>[\d.]+\d))?")
INTRODUCTION = """\
# Losses and connectors

Made by `python tools/misc/make_loss_table.py` from what is registered: what a class compares or does is the first
sentence of its docstring, and the paper is the first one after its `Source:`. The docstring also has the formula, the
paper's values of the arguments, and what differs from the authors' code; [fidelity.md](fidelity.md) has the measured
differences. A *recipe* is a small complete one between the quick start's two models; most are rows of
[compare_methods.md](compare_methods.md). [which_method.md](which_method.md) helps to choose, and
[add_a_loss.md](add_a_loss.md) shows how to add one.
"""
FAMILIES = dict(logit='Losses on logits', feature='Losses on features', relation='Losses on relations between samples',
                connector='Connectors')


class Entry(NamedTuple):
    """A row of the tables.

    Args:
        name: Name of the class, as a recipe gives it after ``mmkd.``.
        family: A key of ``FAMILIES``.
        what: First sentence of the docstring, without its full stop.
        paper: What ``PAPER`` finds after ``Source:``; None where no paper is named.
    """
    name: str
    family: str
    what: str
    paper: re.Match | None


def entries() -> list[Entry]:
    """All losses by family, and then all connectors."""
    from mmkd import connectors, losses  # imports PyTorch: not for --help
    found = [_entry(name, getattr(package, name)) for package in (losses, connectors) for name in package.__all__]
    return sorted(found, key=lambda entry: (list(FAMILIES).index(entry.family), entry.name.lower()))


def _entry(name: str, cls: type) -> Entry:
    text = inspect.getdoc(cls) or ''
    part = next((part for part in cls.__module__.split('.') if part in FAMILIES), 'connector')
    source = re.search(r'Source:(.*?)(?:\n\n|Differs from|\Z)', text, re.DOTALL)
    return Entry(name, part, ' '.join(text.partition('\n\n')[0].split()).rstrip('.'),
                 PAPER.search(' '.join(source.group(1).split())) if source else None)


def short_table() -> str:
    """The table of README.md."""
    return _table(('class', 'family', 'what it compares, or does', 'paper'), (
        (f'`{entry.name}`', entry.family, entry.what, _linked(entry.paper, '{authors}, {year}'))
        for entry in entries()))


def page() -> str:
    """The text of docs/losses.md."""
    rows, parts = entries(), [INTRODUCTION]
    for family, heading in FAMILIES.items():
        parts.append(f'## {heading}\n\n' + _table(('class', 'what it compares, or does', 'paper', 'recipe'), (
            (f'`{entry.name}`', entry.what, _linked(entry.paper, '{authors}, {title}{when}'), _recipes(entry.name))
            for entry in rows if entry.family == family)))
    return '\n'.join(parts)


def with_table(readme: str) -> str:
    """README's text with the present table between its marks.

    Raises:
        UserError: The marks are missing.
    """
    before, start, rest = readme.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        raise UserError(f'README.md expects the lines {START.strip()} and {END}, got a text without. Put them back.')
    return before + start + short_table() + end + after


def _table(header: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    return ''.join(f'| {" | ".join(cells)} |\n' for cells in (header, ('---', ) * len(header), *rows))


def _linked(paper: re.Match | None, form: str) -> str:
    if paper is None:
        return '–'
    title = paper['title'] + ', ' if paper['title'] else ''
    text = form.format(**paper.groupdict() | dict(title=title))
    return f'[{text}](https://arxiv.org/abs/{paper["arxiv"]})' if paper['arxiv'] else text


def _recipes(name: str) -> str:
    paths = [f'[{path.stem}](../{METHODS}/{path.name})' for path in _that_use(name, METHODS)]
    return ', '.join(paths + [f'[dense](../{DENSE}/README.md)'] * any(_that_use(name, DENSE))) or '–'


def _that_use(name: str, folder: str) -> list[Path]:
    return [path for path in sorted(ROOT.joinpath(folder).glob('*.py'))
            if f"'mmkd.{name}'" in path.read_text(encoding='utf-8')]


@one_line_errors
def main() -> None:
    """Writes both."""
    ToolParser(description=__doc__).parse_args()
    write_text(PAGE, page())
    write_text(README, with_table(README.read_text(encoding='utf-8')))
    print(f'Wrote {PAGE} and the table of {README}.')


if __name__ == '__main__':
    main()
