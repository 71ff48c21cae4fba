"""The picture of a step on several GPUs."""
from collections.abc import Sequence

from matplotlib.figure import Figure

from mmkd.analysis.figures.style import COLOURS, FONT, panels

from .setting import Setting
from .step import LOADING, Step, scale
from .tables import SHOWN


def scaling_figure(step: Step, setting: Setting, gpus: Sequence[int], title: str) -> Figure:
    """Draws milliseconds by part over the number of GPUs, with the teacher and with its answers from a cache.

    Args:
        step: The step of one GPU.
        setting: The machines.
        gpus: Numbers of GPUs.
        title: What stands above all.
    """
    cases = {'teacher in the step': step}
    if step.gains_from_cache:
        cases['answers from a cache'] = step.without_teacher()
    figure, [axes] = panels(1, len(cases), title, (4.2, 3.4), sharey='all')
    drawn = {}
    for panel, (name, case) in zip(axes, cases.items(), strict=True):
        steps = [scale(case, setting.network, number) for number in gpus]
        below = [0.] * len(gpus)
        for (part, label), colour in zip(SHOWN.items(), COLOURS, strict=True):
            heights = [1000 * max(0., each.parts[part]) for each in steps]
            if max(heights) > 0:
                drawn[label] = panel.bar(range(len(gpus)), heights, 0.7, below, color=colour,
                                         hatch='//' if part == LOADING else None, edgecolor='white', linewidth=0)
            below = [low + height for low, height in zip(below, heights, strict=True)]
        panel.set_xticks(range(len(gpus)), gpus)
        panel.set_xlabel('GPUs')
        panel.set_title(name, fontsize=FONT['axes.titlesize'])
    axes[0].set_ylabel('ms a step')
    figure.legend(drawn.values(), drawn, loc='outside right center', frameon=False, fontsize=FONT['legend.fontsize'])
    return figure
