"""The picture of effective receptive fields."""
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase

from ..erf import ReceptiveField, area_ratios, contribution_matrix
from .style import colour_bar, draw_map, panels


def erf_figure(fields: Mapping[str, ReceptiveField], thresholds: Sequence[float], log: bool, title: str = '') -> Figure:
    """Draws one contribution matrix a model, side by side on one scale, with the area ratios below.

    Args:
        fields: Label to receptive field.
        thresholds: Of the area ratios.
        log: Whether the matrices are ``log10(score + 1)``.
        title: What stands above all.
    """
    columns = min(len(fields), 4)
    rows = -(-len(fields) // columns)
    figure, axes = panels(rows, columns, title)
    draw_fields(figure, [panel for row in axes for panel in row], fields, thresholds, log)
    return figure


def draw_fields(figure: FigureBase, flat: Sequence[Axes], fields: Mapping[str, ReceptiveField],
                thresholds: Sequence[float], log: bool) -> None:
    """Draws the matrices into panels of a figure; panels that are left over become empty.

    Args:
        figure: The figure or its part that holds the panels, for the colour bar.
        flat: The panels.
        fields: See :func:`erf_figure`, as the rest.
        thresholds: Of the area ratios.
        log: Whether the matrices are ``log10(score + 1)``.
    """
    for panel, (label, field) in zip(flat, fields.items()):
        image = draw_map(panel, contribution_matrix(field.scores, log), label, (0., 1.))
        ratios = area_ratios(field.scores, thresholds, log)
        panel.set_xlabel('area with ' + ', '.join(f'{100 * t:g}' for t in ratios) + ' % of the sum:\n'
                         + ', '.join(map(percent, ratios.values())))
        height, width = field.scores.shape
        panel.set_xticks([0, width // 2, width - 1])
        panel.set_yticks([0, height // 2, height - 1])
    for panel in flat[len(fields):]:
        panel.set_axis_off()
    name = 'log10(contribution + 1), largest = 1' if log else 'contribution, largest = 1'
    colour_bar(figure, image, flat, name)


def percent(ratio: float) -> str:
    """An area ratio in percent; a dash where no square holds enough."""
    return '–' if np.isnan(ratio) else f'{100 * ratio:.1f} %'
