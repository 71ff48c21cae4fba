"""The picture of loss landscapes."""
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from ..loss_landscape import Landscape
from .style import COLOURS, FONT, PANEL, SEQUENTIAL, colour_bar, panels

LEVELS = 16


def landscape_figure(landscapes: Mapping[str, Landscape], loss: str, title: str = '') -> Figure:
    """Draws lines in one panel, or a plane as contours and as a surface, on one logarithmic scale for all models.

    Args:
        landscapes: Label to landscape, all of lines or all of planes, on the same grid.
        loss: What the loss is called.
        title: What stands above all.
    """
    plane = next(iter(landscapes.values())).losses.ndim == 2
    return _planes(landscapes, loss, title) if plane else _lines(landscapes, loss, title)


def _lines(landscapes: Mapping[str, Landscape], loss: str, title: str) -> Figure:
    figure, axes = panels(1, 1, title, size=(5.6, 3.6))
    panel = axes[0][0]
    for (label, each), colour in zip(landscapes.items(), COLOURS * len(landscapes)):
        panel.plot(each.steps, each.losses, color=colour, marker='.', markersize=3, label=label)
    panel.set_xlabel('step along the direction')
    panel.set_ylabel(loss)
    if all(np.nanmin(each.losses) > 0 for each in landscapes.values()):
        panel.set_yscale('log')
    panel.legend()
    return figure


def _planes(landscapes: Mapping[str, Landscape], loss: str, title: str) -> Figure:
    """Contours above, surfaces below."""
    columns = len(landscapes)
    figure, axes = panels(2, columns, title, size=PANEL)
    finite = np.concatenate([each.losses[np.isfinite(each.losses)] for each in landscapes.values()])
    low = max(finite.min(initial=np.inf, where=finite > 0), finite.max(initial=1.) * 1e-4)
    high = max(finite.max(initial=1.), low * 1.01)
    norm, levels = LogNorm(low, high), np.geomspace(low, high, LEVELS)
    for column, (label, each) in enumerate(landscapes.items()):
        panel = axes[0][column]
        x, y = np.meshgrid(each.steps, each.steps, indexing='ij')
        shown = np.clip(np.where(np.isfinite(each.losses), each.losses, high), low, high)
        panel.contourf(x, y, shown, levels, norm=norm, cmap=SEQUENTIAL, extend='both')
        panel.contour(x, y, shown, levels, colors='white', linewidths=0.3)
        panel.plot(0, 0, marker='+', color=COLOURS[1])
        panel.set_aspect('equal')
        panel.set_title(f'{label}: {each.centre:.3g} in the middle', fontsize=FONT['axes.titlesize'])
        panel.set_xlabel('first direction')
        panel.set_ylabel('second direction')
        place = axes[1][column].get_subplotspec()
        axes[1][column].remove()
        surface: Any = figure.add_subplot(place, projection='3d')
        surface.plot_surface(x, y, np.log10(shown), cmap=SEQUENTIAL, rcount=60, ccount=60,
                             vmin=np.log10(low), vmax=np.log10(high))
        surface.set_zlim(np.log10(low), np.log10(high))
        surface.tick_params(labelsize=FONT['xtick.labelsize'] - 1)
        surface.locator_params(nbins=3)
        surface.set_zlabel(f'log10 of the {loss}', fontsize=FONT['legend.fontsize'])
    colour_bar(figure, ScalarMappable(norm, SEQUENTIAL), axes[0], loss)
    return figure
