"""The picture of histograms."""
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure

from ..histograms import Moments
from .style import COLOURS, FONT, panels

Histogram = tuple[np.ndarray, np.ndarray, Moments]  # edges, counts, moments


def histograms_figure(rows: Mapping[str, Sequence[Mapping[str, Histogram]]], title: str = '') -> Figure:
    """Draws a row of panels for features and one for weights, with a panel a stage in which all models lie.

    Args:
        rows: What is drawn in a row, to its panels: label to histogram. Those of a panel have the same edges.
        title: What stands above all.
    """
    columns = max(map(len, rows.values()))
    figure, axes = panels(len(rows), columns, title, size=(3.2, 2.7))
    labels = list(dict.fromkeys(label for row in rows.values() for panel in row for label in panel))
    handles: dict[str, Artist] = {}
    for row, (what, histograms) in zip(axes, rows.items(), strict=True):
        for stage, panel in enumerate(row):
            if stage >= len(histograms):
                panel.set_axis_off()
                continue
            for label, (edges, counts, moments) in histograms[stage].items():
                colour = COLOURS[labels.index(label) % len(COLOURS)]
                density = counts / (moments.number * np.diff(edges))
                handles[label] = panel.stairs(density, edges, color=colour, fill=True, alpha=0.35, label=label)
                panel.stairs(density, edges, color=colour, linewidth=1)
            panel.set_title(f'stage {stage + 1}', fontsize=FONT['axes.titlesize'])
            panel.set_xlabel(what)
        row[0].set_ylabel('density')
    figure.legend(handles.values(), handles.keys(), loc='outside lower center', ncols=min(len(handles), 4))
    return figure
