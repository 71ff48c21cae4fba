"""What the quick start shows of the inside of its models, read from what ``mmkd analyse erf`` and ``cka`` wrote."""
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mmkd.analysis.cka import Alignment
from mmkd.analysis.erf import ReceptiveField
from mmkd.utils.command_line.tables import markdown_table
from mmkd.utils.files.small import read_json

LAST_LAYERS = ('pre_logits', 'logits')
PAIR = ' × '  # between the names of the two models of a map
READING = (
    'Area: the share of the image that the first centred square takes which holds more than a share of the '
    "contribution to the middle of the last stage's map, as log10(score + 1); a dash where none does. CKA: 1 for "
    'features that are equal but for rotation and scale, about 0 for unrelated ones. All models are of seed 0.')


def read_fields(folder: Path) -> dict[str, ReceptiveField]:
    """The receptive fields that ``mmkd analyse erf`` wrote, by label.

    Args:
        folder: Where ``receptive_field.json`` and ``receptive_field.npz`` are.
    """
    numbers = read_json(folder / 'receptive_field.json')['numbers']
    with np.load(folder / 'receptive_field.npz') as arrays:  # arrays of numbers only: nothing is unpickled
        return {label: ReceptiveField(arrays[label], entry['images'], entry['skipped'])
                for label, entry in numbers.items()}


def alignments(numbers: Mapping[str, dict]) -> dict[tuple[str, str], Alignment]:
    """The maps of ``mmkd analyse cka``: labels along the second and the first axis to CKA.

    Args:
        numbers: The ``numbers`` of ``cka.json``.
    """
    maps = {}
    for pair, entry in numbers.items():
        first, other = pair.split(PAIR)
        maps[other, first] = Alignment(**entry | dict(values=np.array(entry['values'], dtype=float)))  # null is NaN
    return maps


def last_layers(alignment: Alignment) -> dict[str, float | None]:
    """CKA of each of the last layers with the other model's layer of that name; None if it is not defined."""
    found = {}
    for name in LAST_LAYERS:
        value = float(alignment.values[alignment.rows.index(name), alignment.columns.index(name)])
        found[name] = None if np.isnan(value) else value
    return found


def inside_content(erf: Mapping, cka: Mapping) -> dict:
    """The part of ``report.json``.

    Args:
        erf: Metrics of the job that ran ``mmkd analyse erf``.
        cka: Metrics of the one that ran ``mmkd analyse cka``.

    Returns:
        For both the command, the number of images and their size; the area ratios of each model (from 0 to 1), and
        CKA of the last layers of the first model and of each other. None stands for what is not defined.
    """
    images = {name: {key: metrics['images'][key] for key in ('number', 'size')}
              for name, metrics in dict(erf=erf, cka=cka).items()}
    return dict(
        receptive_fields=dict(command=erf['command'], **images['erf'], area_ratios={
            label: entry['area_ratios']['log'] for label, entry in erf['numbers'].items()}),
        cka=dict(command=cka['command'], **images['cka'], last_layers={
            other: last_layers(alignment) for (other, _), alignment in alignments(cka['numbers']).items()}))


def inside_markdown(inside: Mapping) -> list[str]:
    """The part of ``report.md``: a table, how it is read, and the commands.

    Args:
        inside: What :func:`inside_content` returned.
    """
    ratios, layers = inside['receptive_fields']['area_ratios'], inside['cka']['last_layers']
    shares = [f'area with {100 * float(share):g} %' for share in next(iter(ratios.values()))]
    header = ['model', *shares, *(f'CKA with the teacher, {name}' for name in LAST_LAYERS)]
    rows = [[label, *(_percent(value) for value in entry.values()),
             *(_cka(layers[label][name]) if label in layers else '' for name in LAST_LAYERS)]
            for label, entry in ratios.items()]
    sizes = ' and '.join(f'{part["number"]} of {part["size"]}×{part["size"]} for {what}' for part, what in (
        (inside['receptive_fields'], 'the areas'), (inside['cka'], 'CKA')))
    return [markdown_table(header, rows, range(1, len(header))), f'{READING} Images: {sizes}.', '', '```bash',
            inside['receptive_fields']['command'], inside['cka']['command'], '```', '']


def _percent(ratio: float | None) -> str:
    return '–' if ratio is None else f'{100 * ratio:.1f} %'


def _cka(value: float | None) -> str:
    return '–' if value is None else f'{value:.2f}'
