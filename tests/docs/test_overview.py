"""docs/overview.svg: each text has room in DejaVu Sans, the widest of the usual sans-serif fonts."""
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import pytest
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

PICTURE = Path(__file__).parents[2] / 'docs' / 'overview.svg'
SVG = '{http://www.w3.org/2000/svg}'
MARGIN = 6  # between a text and the border of its box


def numbers(element: ElementTree.Element, *names: str) -> list[float]:
    return [float(element.get(name, 0)) for name in names]


def extent(text: ElementTree.Element, size: float) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a text."""
    font = FontProperties(family='DejaVu Sans', weight=text.get('font-weight', 'normal'))
    width = TextPath((0, 0), text.text, size=size, prop=font).get_extents().x1
    x, y = numbers(text, 'x', 'y')
    left = x - width / 2 if text.get('text-anchor') == 'middle' else x
    return left, y - 0.76 * size, left + width, y + 0.24 * size


@pytest.fixture(scope='module')
def picture() -> tuple[list[tuple], list[tuple]]:
    """Left, top, right and bottom of the boxes, and of the texts."""
    root = ElementTree.parse(PICTURE).getroot()
    boxes = []
    for x, y, width, height in (numbers(rect, 'x', 'y', 'width', 'height') for rect in root.iter(f'{SVG}rect')):
        boxes.append((x, y, x + width, y + height))
    return boxes, [extent(text, float(root.get('font-size'))) for text in root.iter(f'{SVG}text')]


def test_each_text_is_in_its_box_or_in_none(picture):
    boxes, texts = picture
    for left, top, right, bottom in texts:
        for x0, y0, x1, y1 in boxes:
            outside = right < x0 or left > x1 or bottom < y0 or top > y1
            inside = x0 + MARGIN <= left and right <= x1 - MARGIN and y0 <= top and bottom <= y1
            assert outside or inside, (left, top, right, bottom)


def test_no_text_touches_another(picture):
    for one, other in combinations(picture[1], 2):
        assert one[2] < other[0] or other[2] < one[0] or one[3] <= other[1] or other[3] <= one[1]
