"""model-zoo.md."""
import re
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
        assert entry['Config'] in line and (entry.get('Weights') or entry.get('Weights Folder') or '|') in line
    assert any('| 50.7 M | 8.705 G | 82.5 Top 1 Accuracy | ImageNet-1k | not run here |' in line for line in lines)


def test_what_was_trained_here_comes_first_and_alone():
    first, small, papers, unknown, others = re.split(r'^## ', zoo_page(), flags=re.MULTILINE)[1:]
    names = [name for name, entry in model_index().items() if entry.get('Weights') and 'Converted From' not in entry]
    assert re.findall(r'^\| ([\w-]+) \| \[config', first, re.MULTILINE) == names != []
    assert "paper's figure" not in first and '`python tools/' in first and 'weights |' not in small + papers + unknown
    assert papers.startswith("The papers' recipes, not trained here") and '| reproduced |' not in papers + unknown
    assert '| configs/quickstart' not in unknown and unknown.count('[config](configs/foundation/') >= 13
    assert 'reproduced' not in others and "source's figure" in others


def test_what_was_trained_here_names_its_command():
    index = model_index()
    assert [name for name, entry in index.items() if entry.get('Weights') and 'Converted From' not in entry
            and not (entry.get('Command') and entry.get('License') and entry.get('SHA256'))] == []
