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
## Trained with this package's recipes

The figures are the papers', as each config's header says; where the status is *reproduced*, those of the quick start's
digits are in [docs/quickstart.md](docs/quickstart.md). No weights of full size are published yet; those of a quick
start's student come along in `checkpoints/`, of a clone or a source distribution.

| model | config | parameters | FLOPs | figure | weights | status |
| --- | --- | ---: | ---: | --- | --- | --- |
"""
OTHERS = """
## Published by others

Figures, weights and licences are those of the source; mmkd converts the names when it loads a file. Where there is no
licence, the source names none. Files without a hash in their name are checked against the one that was recorded when
they were first downloaded. A *folder* can only be opened in a browser: give the path of the file that it holds.

| model | config | figure | weights | source | licence |
| --- | --- | --- | --- | --- | --- |
"""


def zoo_page() -> str:
    """Writes a table of our own models, and one of those that others have published."""
    index = model_index()
    own = [_own_line(name, entry) for name, entry in index.items() if 'Converted From' not in entry]
    others = [_other_line(name, entry) for name, entry in index.items() if 'Converted From' in entry]
    return INTRODUCTION + '\n' + OWN + '\n'.join(own) + '\n' + OTHERS + '\n'.join(others) + '\n'


def figures(entry: dict) -> str:
    """An entry's metrics in one line."""
    return ', '.join(f'{value:g} {name}' for result in entry.get('Results') or []
                     for name, value in result['Metrics'].items())


def _own_line(name: str, entry: dict) -> str:
    numbers = entry.get('Metadata') or {}
    weights = f'[model]({entry["Weights"]})' if entry.get('Weights') else '–'
    return (f'| {name} | [config]({entry["Config"]}) | {_short(numbers.get("Parameters"))} | '
            f'{_short(numbers.get("FLOPs"))} | {figures(entry) or "–"} | {weights} | {_status(entry["Config"])} |')


def _other_line(name: str, entry: dict) -> str:
    weights = f'[model]({entry["Weights"]})' if entry.get('Weights') else f'[folder]({entry["Weights Folder"]})'
    return (f'| {name} | [config]({entry["Config"]}) | {figures(entry)} | {weights} | '
            f'[{entry["In Collection"]}]({entry["Converted From"]["Code"]}) | {entry.get("License", "–")} |')


def _short(number: float | None) -> str:
    if not number:
        return '–'
    unit, name = next((pair for pair in ((1e9, 'G'), (1e6, 'M')) if number >= pair[0]), (1e3, 'k'))
    return f'{number / unit:.4g} {name}'


def _status(config: str) -> str:
    text = Path(config_root().parent, config).read_text(encoding='utf-8')
    found = re.search(r'^# status: +(reproduced|not run here)', text, re.MULTILINE | re.IGNORECASE)
    return found.group(1) if found else '–'
