"""Writes docs/recipes.md from the rows of the papers in configs/*/rows.yml."""
from pathlib import Path

from mmkd.recipes.paper_rows import recipes_page
from mmkd.utils.command_line.cli import ToolParser, one_line_errors
from mmkd.utils.files.small import write_text

PAGE = Path(__file__).resolve().parents[2] / 'docs/recipes.md'


@one_line_errors
def main() -> None:
    """Writes the page."""
    ToolParser(description=__doc__).parse_args()
    write_text(PAGE, recipes_page())
    print(f'Wrote {PAGE}.')


if __name__ == '__main__':
    main()
