"""The pictures of robustness."""
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from ..robustness.corruption_errors import CorruptionErrors
from ..robustness.test_sets import METRICS, Robustness
from .style import COLOURS, FONT, panels

WIDTH = 0.8  # of a group of bars


def sets_figure(found: Mapping[str, Robustness], title: str = '') -> Figure:
    """Draws what each model reaches on each test set.

    Args:
        found: Label to robustness.
        title: What stands above all.
    """
    names = [name for name in METRICS if any(name in each.metrics for each in found.values())]
    figure, axes = panels(1, 1, title, size=(max(1.4 * len(names), 4.5), 3.4))
    panel, bar = axes[0][0], WIDTH / len(found)
    for turn, (label, each) in enumerate(found.items()):
        values = [value if (value := each.shown(name)) is not None else np.nan for name in names]
        bars = panel.bar(np.arange(len(names)) + (turn - (len(found) - 1) / 2) * bar, values, bar, label=label,
                         color=COLOURS[turn % len(COLOURS)])
        panel.bar_label(bars, ['' if np.isnan(value) else f'{value:.1f}' for value in values],
                        fontsize=FONT['legend.fontsize'] - 1)
    panel.set_xticks(range(len(names)), [METRICS[name][0] for name in names])
    panel.set_ylabel('top-1 accuracy, or mCE, in percent')
    panel.margins(y=0.1)
    figure.legend(*panel.get_legend_handles_labels(), loc='outside lower center', ncols=min(len(found), 4))
    return figure


def corruptions_figure(errors: Mapping[str, CorruptionErrors], names: Sequence[str], severities: Sequence[int],
                       title: str = '') -> Figure:
    """Draws the mean error under each corruption, and at each severity.

    Args:
        errors: Label to errors.
        names: The corruptions.
        severities: The severities.
        title: What stands above all.
    """
    figure, axes = panels(1, 2, title, size=(4.6, max(0.28 * len(names), 1.8) + 1.2), width_ratios=(1.4, 1))
    left, right = axes[0]
    for (label, each), colour in zip(errors.items(), COLOURS * len(errors)):
        left.plot(100 * each.corrupted.mean(1), range(len(names)), 'o', color=colour, label=label)
        left.axvline(100 * each.clean, color=colour, linewidth=0.8, linestyle=':')
        right.plot([0, *severities], 100 * np.append(each.clean, each.corrupted.mean(0)), marker='o', color=colour)
    left.set_yticks(range(len(names)), [name.replace('_', ' ') for name in names])
    left.invert_yaxis()
    left.grid(axis='y', linewidth=0.4)
    left.set_xlabel('error (%), mean over the severities; dotted: clean')
    right.set_xticks([0, *severities], ['clean', *map(str, severities)])
    right.set_xlabel('severity')
    right.set_ylabel('error (%), mean over the corruptions')
    figure.legend(*left.get_legend_handles_labels(), loc='outside lower center', ncols=min(len(errors), 4))
    return figure
