"""The picture of Grad-CAM."""
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from .style import FONT, colour_bar, panels

COLOURS, OPACITY = 'inferno', 0.6


def cam_figure(images: Sequence[np.ndarray], titles: Sequence[str], maps: Mapping[str, Sequence[np.ndarray]],
               captions: Mapping[str, Sequence[str]], title: str = '') -> Figure:
    """Draws a row an image: the image, and beside it the map of each model over it.

    Args:
        images: RGB, (H, W, 3), uint8.
        titles: What stands above each image.
        maps: Label to a map (H, W) an image, from 0 to 1.
        captions: Label to what stands above each map.
        title: What stands above all.
    """
    figure, axes = panels(len(images), 1 + len(maps), title, size=(2.1, 2.3))
    for panel in (panel for row in axes for panel in row):
        panel.set_xticks([])
        panel.set_yticks([])
    drawn = None
    for number, (image, row) in enumerate(zip(images, axes, strict=True)):
        row[0].imshow(image)
        row[0].set_title(titles[number], fontsize=FONT['legend.fontsize'])
        grey = np.repeat(image.mean(2, keepdims=True), 3, axis=2) / 255
        for panel, (label, values) in zip(row[1:], maps.items(), strict=True):
            panel.imshow(grey)
            drawn = panel.imshow(values[number], cmap=COLOURS, alpha=OPACITY, vmin=0, vmax=1)
            panel.set_title(captions[label][number], fontsize=FONT['legend.fontsize'])
    for panel, label in zip(axes[-1][1:], maps, strict=True):
        panel.set_xlabel(label)
    if drawn is not None:
        colour_bar(figure, drawn, [panel for row in axes for panel in row], 'Grad-CAM, largest of each map = 1')
    return figure
