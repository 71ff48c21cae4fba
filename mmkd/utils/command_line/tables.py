"""Tables for a terminal, and in Markdown."""
from collections.abc import Collection, Iterable, Sequence


def text_table(header: Iterable[str], rows: Iterable[Sequence[str]], rule: bool = False) -> str:
    """Lays cells out in columns, those of several lines included; columns with nothing to say are left out.

    Args:
        header: Title of each column.
        rows: The cells of each row.
        rule: Whether a line of dashes goes below the titles.
    """
    cells = [[cell.split('\n') for cell in row] for row in rows]
    columns = [(title, [row[place] for row in cells]) for place, title in enumerate(header)]
    columns = [(title, column) for title, column in columns if any(any(cell) for cell in column)]
    widths = [max(len(line) for cell in [[title], *column] for line in cell) for title, column in columns]
    lines = [[title for title, _ in columns], *([['-' * width for width in widths]] if rule else [])]
    for place in range(len(cells)):
        height = max(len(column[place]) for _, column in columns)
        lines += [[(column[place] + [''] * height)[line] for _, column in columns] for line in range(height)]
    return '\n'.join('  '.join(f'{text:<{width}}' for text, width in zip(line, widths, strict=True)).rstrip()
                     for line in lines)


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]], numbers: Collection[int] = ()) -> str:
    """A Markdown table, ending in a line break.

    Args:
        header: Title of each column.
        rows: The cells of each row.
        numbers: Places of the columns that hold numbers, flush right.
    """
    rule = ['---:' if place in numbers else '---' for place in range(len(header))]
    return ''.join(f'| {" | ".join(row)} |\n' for row in (header, rule, *rows))
