"""The pictures of frequencies and of feature distances."""
from collections.abc import Mapping

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from ..frequency import Spectrum
from .style import COLOURS, FONT, colour_bar, draw_map, panels

BINS = 40


def spectra_figure(spectra: Mapping[str, Spectrum], title: str = 'Frequencies of feature maps') -> Figure:
    """Draws the shares of the frequencies side by side, on one log scale.

    Args:
        spectra: Label to spectrum.
        title: What stands above all.
    """
    columns = min(len(spectra), 4)
    rows = -(-len(spectra) // columns)
    figure, axes = panels(rows, columns, title)
    flat = [panel for row in axes for panel in row]
    shares = {label: each.magnitudes / (each.magnitudes.sum() or 1) for label, each in spectra.items()}
    largest = max(values.max() for values in shares.values()) or 1.
    positive = [values[values > 0].min() for values in shares.values() if (values > 0).any()]
    norm = LogNorm(max(min(positive, default=1e-3), largest * 1e-6), largest)
    for panel, (label, values) in zip(flat, shares.items()):
        image = draw_map(panel, values, label, (0., 1.), norm=norm)
        height, width = values.shape
        panel.set_xticks(sorted({0, width // 2, width - 1}))
        panel.set_yticks(sorted({0, height // 2, height - 1}))
        panel.set_xlabel('horizontal frequency (half periods)\n'
                         f'direct component: {100 * spectra[label].direct_share:.1f} %')
    for panel in flat[len(spectra):]:
        panel.set_axis_off()
    flat[0].set_ylabel('vertical frequency (half periods)')
    colour_bar(figure, image, flat, 'share of the mean |DCT coefficient|')
    return figure


def distances_figure(distances: Mapping[str, np.ndarray], normalised: bool) -> Figure:
    """Draws the distributions of distances over images, on common axes, with their means.

    Args:
        distances: Label to the distance of each image.
        normalised: Whether they compare directions.
    """
    figure, axes = panels(1, 1, size=(6.4, 3.6))
    panel = axes[0][0]
    every = np.concatenate(list(distances.values()))
    edges = np.linspace(every.min(), every.max() or 1., BINS + 1) if np.ptp(every) else BINS
    for (label, values), colour in zip(distances.items(), COLOURS * len(distances)):
        panel.hist(values, edges, label=f'{label}, mean {values.mean():.3f}', color=colour, alpha=0.5)
        panel.axvline(values.mean(), color=colour, linewidth=1.5)
    panel.set_title('Student and teacher beside their direct components', fontsize=FONT['axes.titlesize'])
    panel.set_xlabel('distance of the directions (0 the same, 1.41 unrelated)' if normalised else 'distance')
    panel.set_ylabel('images')
    panel.legend(fontsize=FONT['legend.fontsize'])
    return figure
