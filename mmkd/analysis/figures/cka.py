"""The pictures of CKA: layers beside layers, and groups of channels beside images and classes."""
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase

from ..cka import Alignment
from .style import colour_bar, draw_map, panels

MOST_TICKS = 16
SHARED = ('backbone.', 'model.')


def short(name: str) -> str:
    """A tap without what all taps of a model begin with."""
    for prefix in SHARED:
        name = name.removeprefix(prefix)
    return name


def layers_figure(maps: Mapping[tuple[str, str], Alignment], title: str = 'CKA of layers') -> Figure:
    """Draws one map a pair of models, all from 0 to 1, the first layers below and left.

    Args:
        maps: Labels of the models along the second and the first axis to their alignment.
        title: What stands above all.
    """
    columns = min(len(maps), 3)
    rows = -(-len(maps) // columns)
    longest = max(max(len(each.rows), len(each.columns)) for each in maps.values())
    side = min(3.2 + 0.06 * longest, 6)
    figure, axes = panels(rows, columns, title, (side + 0.5, side))
    draw_layers(figure, [panel for row in axes for panel in row], maps)
    return figure


def draw_layers(figure: FigureBase, flat: Sequence[Axes], maps: Mapping[tuple[str, str], Alignment]) -> None:
    """Draws the maps into panels of a figure; panels that are left over become empty.

    Args:
        figure: The figure or its part that holds the panels, for the colour bar.
        flat: The panels.
        maps: See :func:`layers_figure`.
    """
    for panel, ((below, left), alignment) in zip(flat, maps.items()):
        image = draw_map(panel, alignment.values, f'{left} × {below}', (0., 1.), origin='lower', aspect='auto')
        _ticks(panel, 'y', alignment.rows)
        _ticks(panel, 'x', alignment.columns)
        panel.set_ylabel(left)
        panel.set_xlabel(below)
    for panel in flat[len(maps):]:
        panel.set_axis_off()
    colour_bar(figure, image, flat, 'CKA')


def groups_figure(maps: Mapping[str, Mapping[str, np.ndarray]], stages: Sequence[str], title: str) -> Figure:
    """Draws groups of channels × stages, a row a model, a column for images and for labels; each on one scale.

    Args:
        maps: Label of each model to what the groups are compared with to CKA (stages, groups).
        stages: Names of the stages.
        title: What stands above all.
    """
    targets = list(next(iter(maps.values())))
    figure, axes = panels(len(maps), len(targets), title, (4.2, 0.9 + 0.34 * len(stages)))
    for column, target in enumerate(targets):
        largest = max(float(np.nanmax(entry[target])) for entry in maps.values())
        smallest = min(float(np.nanmin(entry[target])) for entry in maps.values())
        for row, (label, entry) in enumerate(maps.items()):
            panel, values = axes[row][column], entry[target]
            image = draw_map(panel, values, f'{label}: groups × {target}', (smallest, largest), 'coolwarm',
                             aspect='auto')
            panel.set_yticks(range(len(stages)), stages)
            panel.set_xticks(range(values.shape[1]), range(1, values.shape[1] + 1))
            panel.set_xlabel('group of channels')
        colour_bar(figure, image, [axes[row][column] for row in range(len(maps))], 'CKA')
    return figure


def _ticks(panel: Axes, axis: str, names: Sequence[str]) -> None:
    """Names the layers; of many, some."""
    step = -(-len(names) // MOST_TICKS)
    places = list(range(0, len(names), step))
    labels = [short(names[place]) for place in places]
    if axis == 'x':
        panel.set_xticks(places, labels, rotation=90)
    else:
        panel.set_yticks(places, labels)
