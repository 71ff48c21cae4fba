"""model-zoo.md."""
from pathlib import Path

from mmkd.zoo import model_index
from mmkd.zoo.page import zoo_page


def test_the_page_is_up_to_date():
    page = (Path(__file__).parents[2] / 'model-zoo.md').read_text(encoding='utf-8')
    assert page == zoo_page(), 'run python tools/misc/make_model_zoo.py'


def test_every_model_has_a_line():
    lines = zoo_page().splitlines()
    for name, entry in model_index().items():
        (line, ) = [line for line in lines if line.startswith(f'| {name} |')]
        assert entry['Config'] in line and (entry.get('Weights') or entry.get('Weights Folder') or '–') in line
    assert any('| 50.7 M | 8.705 G | 82.5 Top 1 Accuracy |' in line for line in lines)
