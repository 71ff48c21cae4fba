"""What the pictures of the analyses have in common: sizes, fonts, colours, colour bars."""
from collections.abc import Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

# Okabe and Ito's, told apart by colour-blind readers too
COLOURS = ('#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#8c8c8c', '#000000')
SEQUENTIAL, DIVERGING = 'viridis', 'RdBu_r'
PANEL = (3.4, 3.2)  # inches of width and height
FONT = {'font.size': 9, 'axes.titlesize': 10, 'axes.labelsize': 9, 'xtick.labelsize': 8, 'ytick.labelsize': 8,
        'legend.fontsize': 8, 'figure.titlesize': 11}


def panels(rows: int, columns: int, title: str = '', size: tuple[float, float] = PANEL, **kwargs: Any
           ) -> tuple[Figure, list[list[Axes]]]:
    """An empty figure with panels of one size.

    Args:
        rows: Rows of panels.
        columns: Columns of panels.
        title: What stands above all; empty for nothing.
        size: Width and height of a panel in inches.
        **kwargs: Arguments of matplotlib's ``subplots``: ``sharex='all'`` for common axes.

    Returns:
        The figure and its panels, row by row.
    """
    with rc_context(FONT):
        figure = Figure(figsize=(size[0] * columns, size[1] * rows + (0.4 if title else 0)), layout='constrained')
        axes = figure.subplots(rows, columns, squeeze=False, **kwargs)
        for panel in axes.flat:  # ticks take their size when they are made
            panel.tick_params(labelsize=FONT['xtick.labelsize'])
    if title:
        figure.suptitle(title, fontsize=FONT['figure.titlesize'])
    figure.get_layout_engine().set(h_pad=0.1)  # inches: the title does not touch those of the panels
    return figure, [list(row) for row in axes]


def draw_map(panel: Axes, values: Any, title: str, limits: tuple[float, float], colours: str = SEQUENTIAL,
             **kwargs: Any) -> AxesImage:
    """Draws an array (H, W) as a map; panels that are compared get the same limits.

    Args:
        panel: Where.
        values: The array.
        title: What stands above it.
        limits: The values at the ends of the colours.
        colours: Name of the colour map.
        **kwargs: Arguments of matplotlib's ``imshow``.
    """
    image = panel.imshow(values, cmap=colours, **(dict(vmin=limits[0], vmax=limits[1]) if 'norm' not in kwargs else {}),
                         **dict(interpolation='nearest') | kwargs)
    panel.set_title(title, fontsize=FONT['axes.titlesize'])
    return image


def colour_bar(figure: Figure, image: ScalarMappable, axes: Sequence[Axes], label: str) -> None:
    """Adds one colour bar for panels that share their colours.

    Args:
        figure: The figure.
        image: What :func:`draw_map` returned for any of them.
        axes: The panels.
        label: What the colours mean, with the unit.
    """
    bar = figure.colorbar(image, ax=list(axes), shrink=0.85, pad=0.02)
    bar.set_label(label, fontsize=FONT['axes.labelsize'])
    bar.ax.tick_params(which='both', labelsize=FONT['xtick.labelsize'])
