"""The text of ``model-zoo.md``, made from the metafiles."""
import re
from pathlib import Path

from mmkd.utils.configs.finding import config_root

from .index import model_index

INTRODUCTION = """\
# Model zoo

Made by `python tools/misc/make_model_zoo.py` from the metafiles. `python -m mmkd.zoo list` prints the same;
`python -m mmkd.zoo download NAME` fetches weights, `checkpoint='NAME'` in a recipe and `mmkd.get_model('NAME',
pretrained=True)` use them. FLOPs are multiply-adds for one image.
"""
OWN = """\
## Trained here, with weights

The figures are ours, of the file that is linked, trained by the command beside it. No weights of full size are
published yet: these are small models of the quick start's digits. They come along in a clone or a source distribution.

| model | config | parameters | FLOPs | our figure | on | weights | licence | command |
| --- | --- | ---: | ---: | --- | --- | --- | --- | --- |
"""
SMALL = """
## Of the quick start and Fashion-MNIST, without weights

Minutes on a CPU. Where the status is *reproduced*, the figures are in [docs/quickstart.md](docs/quickstart.md),
[docs/compare_methods.md](docs/compare_methods.md) and [docs/fashion.md](docs/fashion.md), or in the first lines of the
config.

| model | config | parameters | FLOPs | status |
| --- | --- | ---: | ---: | --- |
"""
PAPERS = """
## The papers' recipes, not trained here

The recipes are ours, every figure is the paper's: none of these rows is a result of this package, and there are no
weights. [docs/recipes.md](docs/recipes.md) names the table and row of each; parameters and FLOPs are those that the
papers print, or else those that `tools/analysis_tools/get_flops.py` counts.

| model | config | parameters | FLOPs | paper's figure | on | status |
| --- | --- | ---: | ---: | --- | --- | --- |
"""
OPEN = """
## Recipes without a published figure

Nobody has published a figure for these pairs of student and teacher, and none was trained here.

| model | config | parameters | FLOPs | status |
| --- | --- | ---: | ---: | --- |
"""
OTHERS = """
## Published by others, with weights

Figures, weights and licences are those of the source; mmkd converts the names when it loads a file. Where there is no
licence, the source names none. Files without a hash in their name are checked against the one that was recorded when
they were first downloaded. A *folder* can only be opened in a browser: give the path of the file that it holds.

| model | config | source's figure | weights | source | licence |
| --- | --- | --- | --- | --- | --- |
"""


def zoo_page() -> str:
    """Writes five tables: trained here, other small ones, recipes with and without figures, others' models."""
    index = model_index()
    tables = {OWN: _own_line, SMALL: _small_line, PAPERS: _paper_line, OPEN: _small_line,
              OTHERS: _other_line}
    return INTRODUCTION + '\n' + ''.join(
        heading + ''.join(line(name, entry) for name, entry in index.items() if _table_of(entry) == heading)
        for heading, line in tables.items())


def _table_of(entry: dict) -> str:
    """The heading under which an entry stands. Only figures of files that were trained here are ours."""
    if 'Converted From' in entry:
        return OTHERS
    if entry.get('Weights'):
        return OWN
    if entry.get('Results'):
        return PAPERS
    return SMALL if entry['Config'].startswith(('configs/quickstart/', 'configs/fashion/')) else OPEN


def figures(entry: dict) -> str:
    """An entry's metrics in one line."""
    return ', '.join(f'{value:g} {name}' for result in entry.get('Results') or []
                     for name, value in result['Metrics'].items())


def _own_line(name: str, entry: dict) -> str:
    return (f'{_start(name, entry)} {figures(entry) or "–"} | {_data(entry)} | [model]({entry["Weights"]}) | '
            f'{entry.get("License", "–")} | `{entry["Command"]}` |\n')


def _small_line(name: str, entry: dict) -> str:
    return f'{_start(name, entry)} {_status(entry["Config"])} |\n'


def _paper_line(name: str, entry: dict) -> str:
    return f'{_start(name, entry)} {figures(entry)} | {_data(entry)} | {_status(entry["Config"])} |\n'


def _start(name: str, entry: dict) -> str:
    numbers = entry.get('Metadata') or {}
    return (f'| {name} | [config]({entry["Config"]}) | {_short(numbers.get("Parameters"))} | '
            f'{_short(numbers.get("FLOPs"))} |')


def _data(entry: dict) -> str:
    return ', '.join(dict.fromkeys(result['Dataset'] for result in entry.get('Results') or [])) or '–'


def _other_line(name: str, entry: dict) -> str:
    weights = f'[model]({entry["Weights"]})' if entry.get('Weights') else f'[folder]({entry["Weights Folder"]})'
    return (f'| {name} | [config]({entry["Config"]}) | {figures(entry)} | {weights} | '
            f'[{entry["In Collection"]}]({entry["Converted From"]["Code"]}) | {entry.get("License", "–")} |\n')


def _short(number: float | None) -> str:
    if not number:
        return '–'
    unit, name = next((pair for pair in ((1e9, 'G'), (1e6, 'M')) if number >= pair[0]), (1e3, 'k'))
    return f'{number / unit:.4g} {name}'


def _status(config: str) -> str:
    text = Path(config_root().parent, config).read_text(encoding='utf-8')
    found = re.search(r'^# status: +(reproduced|not run here)', text, re.MULTILINE | re.IGNORECASE)
    return found.group(1) if found else '–'
