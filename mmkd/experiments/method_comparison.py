"""Comparing distillation methods over seeds: Direct Gain and Effective Gain, as a table and as a chart."""
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.container import BarContainer
from matplotlib.figure import Figure

from mmkd.utils.command_line.tables import markdown_table

from .quickstart_figures import DPI
from .quickstart_report import paired_gain, summary

CUT, FAR = 2.0, 3.0  # an axis ends at so many times the longest bar that is drawn whole, if others are so many times it


def compare(students: Mapping[str, Sequence[float]], alone: Sequence[float], teacher: float) -> dict[str, dict]:
    r"""Computes the gains of each method, paired by seed.

    .. math:: \text{Direct Gain} = acc(distilled) - acc(student), \qquad
        \text{Effective Gain} = \frac{acc(distilled) - acc(student)}{acc(teacher)}

    Source: Huang et al., Are Large Kernels Better Teachers than Transformers for ConvNets?, 2023, Eqs. 1 and 2.

    Args:
        students: Method to the top-1 (or another score) of its distilled students, in percent, one a seed.
        alone: That of the same students without a teacher.
        teacher: That of the teacher.

    Returns:
        Method to ``score``, ``direct_gain`` and ``effective_gain`` (in percent, as the paper prints it), each with
        values, mean and standard error; by falling Direct Gain. Of a teacher that scores 0 there is no Effective Gain
        (None).
    """
    rows = {name: dict(score=summary(values), direct_gain=paired_gain(values, alone),
                       effective_gain=summary([100 * (value - other) / teacher for value, other in
                                               zip(values, alone, strict=True)]) if teacher else None)
            for name, values in students.items()}
    return dict(sorted(rows.items(), key=lambda item: -item[1]['direct_gain']['mean']))


def comparison_table(rows: Mapping[str, dict], alone: Sequence[float], teacher: float,
                     seconds: Mapping[str, float], terms: Mapping[str, str], metric: str = 'top-1') -> str:
    """The comparison as a Markdown table; ± is one standard error.

    Args:
        rows: What :func:`compare` returned.
        alone: Score of the students without a teacher.
        teacher: Score of the teacher.
        seconds: Method (and ``alone``) to the mean seconds of a run.
        terms: Method to what :func:`describe_terms` says of its recipe.
        metric: What the score is.
    """
    lines = [('*teacher*', f'{teacher:.1f}', '', '', '', ''),
             ('*student alone*', _with_error(summary(alone), '.1f'), '', '', f'{seconds["alone"]:.0f}', '')]
    for name, row in rows.items():
        lines.append((name, _with_error(row['score'], '.1f'), _with_error(row['direct_gain'], '+.1f'),
                      _with_error(row['effective_gain'], '+.1f') if row['effective_gain'] else '–',
                      f'{seconds[name]:.0f}', terms[name]))
    header = ('method', f'{metric} (%)', 'Direct Gain', 'Effective Gain (%)', 'seconds', 'terms')
    return markdown_table(header, lines, numbers=range(1, 5))


def describe_terms(model: Mapping) -> str:
    """Says which losses a recipe combines, with the arguments and weights that it sets.

    Args:
        model: The recipe's ``model``, with all bases resolved.

    Returns:
        For instance ``0.5 × task + NKDLoss(temperature=3, gamma=3.5)``. The student's own loss is left out where its
        weight is 1, and so are weights of 1; what the recipe leaves to a loss's defaults is not said. Of a model
        without a teacher it is what its backbone starts from.
    """
    if 'terms' not in model:
        start = (model.get('backbone') or {}).get('init_cfg') or {}
        return f'backbone from {start["checkpoint"]}' if isinstance(start, Mapping) and 'checkpoint' in start else ''
    task = model.get('task_weight', 1.)
    parts = [] if task == 1 else [f'{task:g} × task']
    for term in model['terms'].values():
        loss = dict(term['loss'])
        name = str(loss.pop('type')).rpartition('.')[2]
        parts.append(f'{_factor(term.get("weight", 1.))}{name}({_arguments(loss)})')
    return ' + '.join(parts)


def _factor(weight: float | Mapping) -> str:
    if isinstance(weight, Mapping):
        return f'schedule({_arguments(weight)}) × '
    return '' if weight == 1 else f'{weight:g} × '


def _arguments(values: Mapping) -> str:
    return ', '.join(f'{name}={value:.4g}' if isinstance(value, float) else f'{name}={value}'
                     for name, value in values.items())


def draw_gains(path: Path, rows: Mapping[str, dict], title: str, metric: str = 'top-1') -> None:
    """Draws a bar chart of the Direct Gains (left axis) and Effective Gains (right axis), with error bars.

    The two differ by a factor, the teacher's score, so that one bar shows both; where there is no Effective Gain, the
    right axis is left out. A bar far beyond all others is cut,
    with its value beside it and a note below the title.

    Args:
        path: The PNG file.
        rows: What :func:`compare` returned.
        title: What was compared.
        metric: What the score is.
    """
    gains = [row['direct_gain'] for row in rows.values()]
    figure = Figure(figsize=(max(5.5, 1.8 + 0.42 * len(rows)), 4.4), layout='constrained')
    axes = figure.subplots()
    colours = ['#0072b2' if gain['mean'] >= 0 else '#d55e00' for gain in gains]
    bars = axes.bar(range(len(rows)), [gain['mean'] for gain in gains], color=colours)
    for place, gain in enumerate(gains):
        if gain['standard_error'] is not None:  # which one seed has not
            axes.errorbar(place, gain['mean'], gain['standard_error'], color='black', capsize=3)
    axes.axhline(0, color='black', linewidth=0.8)
    axes.set_xticks(range(len(rows)), list(rows), rotation=60, ha='right')
    note = _cut(axes, bars, gains, list(rows))
    lines = [line for text in (title, note) for line in textwrap.wrap(text, round(11 * figure.get_figwidth()))]
    axes.set(ylabel=f'Direct Gain (points of {metric})')
    axes.set_title('\n'.join(lines), fontsize=10)
    axes.grid(axis='y', alpha=0.3)
    means = [(row['effective_gain']['mean'], row['direct_gain']['mean']) for row in rows.values()
             if row['effective_gain']]
    if means:
        factor = next((effective / direct for effective, direct in means if direct), 1.)
        axes.secondary_yaxis('right', functions=(lambda gain: gain * factor, lambda gain: gain / factor)).set_ylabel(
            'Effective Gain (%)')
    figure.savefig(path, dpi=DPI)


def _cut(axes: Axes, bars: BarContainer, gains: Sequence[Mapping], names: Sequence[str]) -> str:
    """Ends the axis where all but a few bars do; returns a note of the bars that go on, if there are any."""
    means = [gain['mean'] for gain in gains]
    few = max(1, len(means) // 10)
    longest = sorted(map(abs, means), reverse=True)[few] if len(means) > 2 * few else 0.
    cut, end = [place for place, mean in enumerate(means) if longest and abs(mean) > FAR * longest], CUT * longest
    for place in cut:
        up = means[place] > 0
        axes.set_ylim(**{'top' if up else 'bottom': end if up else -end})
        bars[place].set_hatch('//')
        axes.text(place, 0.97 * (end if up else -end), f'{means[place]:+.1f}', ha='center',
                  va='top' if up else 'bottom', fontsize=8, bbox=dict(facecolor='white', pad=1.5, linewidth=0))
    beyond = ', '.join(f'{names[place]} is at {_with_error(gains[place], "+.1f")}' for place in cut)
    return f'The axis is cut: {beyond}.' if cut else ''


def _with_error(figure: Mapping, form: str) -> str:
    error = figure['standard_error']
    return f'{figure["mean"]:{form}}' + (f' ± {error:.1f}' if error is not None else '')
