"""Writes model-zoo.md from the metafiles."""
from pathlib import Path

from mmkd.utils.command_line.cli import ToolParser, one_line_errors
from mmkd.utils.files.small import write_text
from mmkd.zoo.page import zoo_page

PAGE = Path(__file__).resolve().parents[2] / 'model-zoo.md'


@one_line_errors
def main() -> None:
    """Writes the page."""
    ToolParser(description=__doc__).parse_args()
    write_text(PAGE, zoo_page())
    print(f'Wrote {PAGE}.')


if __name__ == '__main__':
    main()
