"""Pictures of the quick start: training curves, and the inside of its models."""
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmkd.analysis.cka import Alignment
from mmkd.analysis.erf import THRESHOLDS, ReceptiveField
from mmkd.analysis.figures.cka import draw_layers
from mmkd.analysis.figures.erf import draw_fields
from mmkd.analysis.figures.style import FONT, PANEL

COLOURS = ('#8c8c8c', '#0072b2', '#d55e00', '#009e73')  # told apart by colour-blind readers too
DPI = 150
WRITTEN = 8  # layers a side up to which a map of CKA shows its values


def draw_curves(path: Path, curves: Mapping[str, Sequence[Mapping[int, float]]], teacher: float | None = None) -> None:
    """Draws top-1 over the epochs: the mean over the seeds, and a band of one standard error to both sides.

    Args:
        path: The PNG file.
        curves: Title of each group of runs to its runs' values by epoch; epochs that not all have are left out.
        teacher: Top-1 of the teacher, if it is to be drawn.
    """
    figure = Figure(figsize=(6.4, 4.2), layout='constrained')
    axes = figure.subplots()
    if teacher is not None:
        axes.axhline(teacher, color='black', linestyle='--', linewidth=1, label=f'teacher, {teacher:.1f} %')
    seeds = 0
    for (title, runs), colour in zip(curves.items(), COLOURS):
        epochs = sorted(set.intersection(*(set(run) for run in runs)))
        values = np.array([[run[epoch] for epoch in epochs] for run in runs])  # (seeds, epochs)
        mean, seeds = values.mean(0), len(runs)
        axes.plot(epochs, mean, marker='o', markersize=3, color=colour, label=title)
        if seeds > 1:
            error = values.std(0, ddof=1) / np.sqrt(seeds)
            axes.fill_between(epochs, mean - error, mean + error, color=colour, alpha=0.25, linewidth=0)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set(xlabel='epoch', ylabel='top-1 on the validation digits (%)',
             title=f'The student, mean of {seeds} seeds, band ± 1 standard error')
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=DPI)


def draw_inside(path: Path, fields: Mapping[str, ReceptiveField], maps: Mapping[tuple[str, str], Alignment]) -> None:
    """Draws receptive fields with their area ratios above, and the layers' CKA below; each row on one scale.

    Args:
        path: The PNG file.
        fields: Label of each model to its field.
        maps: Labels of a student and the teacher to CKA of their layers.
    """
    columns, sizes = max(len(fields), len(maps)), {field.scores.shape for field in fields.values()}
    with rc_context(FONT):
        figure = Figure(figsize=(PANEL[0] * columns, 2.3 * PANEL[1]), layout='constrained')
        figure.get_layout_engine().set(h_pad=0.1)  # inches: the titles do not touch
        above, below = figure.subfigures(2, 1)
        size = ', '.join(f'{width}×{height}' for height, width in sizes)
        above.suptitle(f'Effective receptive fields of the last stage on {size} pixels',
                       fontsize=FONT['figure.titlesize'])
        draw_fields(above, list(above.subplots(1, len(fields), squeeze=False).flat), fields, THRESHOLDS, log=True)
        below.suptitle('CKA of the layers', fontsize=FONT['figure.titlesize'])
        panels = list(below.subplots(1, len(maps), squeeze=False).flat)
        draw_layers(below, panels, maps)
        for panel, alignment in zip(panels, maps.values(), strict=True):
            _write_values(panel, alignment.values)
        figure.savefig(path, dpi=DPI)


def _write_values(panel: Axes, values: np.ndarray) -> None:
    """Writes the values into the cells of a small map."""
    for (row, column), value in np.ndenumerate(values if max(values.shape) <= WRITTEN else np.empty((0, 0))):
        panel.text(column, row, f'{value:.2f}', ha='center', va='center', fontsize=FONT['legend.fontsize'],
                   color='black' if value > 0.5 else 'white')
