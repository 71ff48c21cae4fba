"""The picture of compute shares."""
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..compute_shares import KINDS, Shares, closed_form
from .style import COLOURS, FONT, panels

LARGEST_RATIO = 16
WHAT = {'params': 'parameters', 'flops': 'FLOPs'}


def shares_figure(shares: Mapping[str, Shares], kernel: int, cost: float, title: str = '') -> Figure:
    """Draws what each kind of layer has of the parameters and of the FLOPs, and the closed form R(r).

    Args:
        shares: Label to shares.
        kernel: Side of the convolution in the closed form.
        cost: Parameters of the block in the closed form.
        title: What stands above all.
    """
    figure, axes = panels(1, 3, title, size=(3.6, 1.6 + 0.45 * max(len(shares), 3)))
    for panel, (name, what) in zip(axes[0], WHAT.items()):
        left = np.zeros(len(shares))
        for kind, colour in zip(KINDS, COLOURS):
            counts = np.array([getattr(each, name)[kind] for each in shares.values()], dtype=float)
            widths = 100 * counts / [sum(getattr(each, name).values()) for each in shares.values()]
            bars = panel.barh(list(shares), widths, left=left, color=colour, label=kind)
            panel.bar_label(bars, [f'{width:.0f}' if width >= 7 else '' for width in widths], label_type='center',
                            color='white', fontsize=FONT['legend.fontsize'])
            left += widths
        panel.invert_yaxis()
        panel.set_xlim(0, 100)
        panel.set_xlabel(f'share of the {what} (%)')
    axes[0][1].set_yticklabels([])
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc='outside lower center', ncols=len(KINDS))
    _curve(axes[0][2], kernel, cost)
    return figure


def _curve(panel: Axes, kernel: int, cost: float) -> None:
    ratios = np.linspace(1, LARGEST_RATIO, 100)
    panel.plot(ratios, [100 * closed_form(cost, ratio, kernel) for ratio in ratios], color=COLOURS[0])
    panel.plot(12, 100 * closed_form(cost, 12, kernel), 'o', color=COLOURS[1])
    panel.annotate('ConvNeSt', (12, 100 * closed_form(cost, 12, kernel)), textcoords='offset points', xytext=(-8, 8),
                   ha='right', fontsize=FONT['legend.fontsize'])
    panel.set_xlabel('expansion ratio r')
    panel.set_ylabel('R(r): convolution in a block (%)')
    panel.set_title(f'k = {kernel}, C = {cost:.3g}', fontsize=FONT['axes.titlesize'])
    panel.set_ylim(bottom=0)
    panel.locator_params(axis='x', integer=True)
