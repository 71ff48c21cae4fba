"""A picture of a tuning: all settings of all methods on one axis."""
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from .quickstart_figures import DPI
from .tuning import Tried, best_of


def draw_tuning(path: Path, methods: Mapping[str, Sequence[Tried]], metric: str) -> None:
    """Draws a row of points a method: hollow after the short run, full after the whole run, the best in orange.

    Args:
        path: The PNG file.
        methods: Method to what was tried.
        metric: What the axis shows.
    """
    figure = Figure(figsize=(7., 1.4 + 0.3 * len(methods)), layout='constrained')
    axes = figure.subplots()
    labels: dict[str, dict] = {'short run': dict(facecolors='none', edgecolors='#0072b2'),
                               'whole run': dict(color='#0072b2'), 'best': dict(color='#d55e00', zorder=3)}
    for row, tried in enumerate(methods.values()):
        best = best_of(tried)
        points = {'short run': [each.short for each in tried],
                  'whole run': [each.whole for each in tried if each.whole is not None],
                  'best': [] if best is None else [tried[best].last]}
        for label, values in points.items():
            finite = [value for value in values if not math.isnan(value)]
            axes.scatter(finite, [row] * len(finite), s=28, label=label if row == 0 else None, **labels[label])
    axes.set_yticks(range(len(methods)), list(methods))
    axes.invert_yaxis()
    axes.set(xlabel=f'{metric} on the validation images', title='Settings of each method')
    axes.grid(axis='x', alpha=0.3)
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=DPI)
