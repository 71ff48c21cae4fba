"""Comparing distillation methods over seeds: Direct Gain and Effective Gain, as a table and as a chart."""
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from .quickstart_figures import DPI
from .quickstart_report import paired_gain, summary

HEADER = ('method', 'top-1 (%)', 'Direct Gain', 'Effective Gain (%)', 'seconds')


def compare(students: Mapping[str, Sequence[float]], alone: Sequence[float], teacher: float) -> dict[str, dict]:
    r"""Computes the gains of each method, paired by seed.

    .. math:: \text{Direct Gain} = acc(distilled) - acc(student), \qquad
        \text{Effective Gain} = \frac{acc(distilled) - acc(student)}{acc(teacher)}

    Source: Huang et al., Are Large Kernels Better Teachers than Transformers for ConvNets?, 2023, Eqs. 1 and 2.

    Args:
        students: Method to the top-1 of its distilled students, in percent, one a seed.
        alone: Top-1 of the same students without a teacher.
        teacher: Top-1 of the teacher.

    Returns:
        Method to ``top1``, ``direct_gain`` and ``effective_gain`` (in percent, as the paper prints it), each with
        values, mean and standard error; by falling Direct Gain.
    """
    rows = {name: dict(top1=summary(values), direct_gain=paired_gain(values, alone),
                       effective_gain=summary([100 * (value - other) / teacher
                                               for value, other in zip(values, alone, strict=True)]))
            for name, values in students.items()}
    return dict(sorted(rows.items(), key=lambda item: -item[1]['direct_gain']['mean']))


def markdown_table(rows: Mapping[str, dict], alone: Sequence[float], teacher: float,
                   seconds: Mapping[str, float]) -> str:
    """The comparison as a Markdown table; ± is one standard error.

    Args:
        rows: What :func:`compare` returned.
        alone: Top-1 of the students without a teacher.
        teacher: Top-1 of the teacher.
        seconds: Method (and ``alone``) to the mean seconds of a run.
    """
    lines = [HEADER, ('---', *['---:'] * (len(HEADER) - 1)),
             ('*teacher*', f'{teacher:.1f}', '', '', ''),
             ('*student alone*', _with_error(summary(alone), '.1f'), '', '', f'{seconds["alone"]:.0f}')]
    for name, row in rows.items():
        lines.append((name, _with_error(row['top1'], '.1f'), _with_error(row['direct_gain'], '+.1f'),
                      _with_error(row['effective_gain'], '+.1f'), f'{seconds[name]:.0f}'))
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines) + '\n'


def draw_gains(path: Path, rows: Mapping[str, dict], title: str) -> None:
    """Draws a bar chart of the Direct Gains (left axis) and Effective Gains (right axis), with error bars.

    The two differ by a factor, the teacher's accuracy, so that one bar shows both.

    Args:
        path: The PNG file.
        rows: What :func:`compare` returned.
        title: What was compared.
    """
    gains = [row['direct_gain'] for row in rows.values()]
    figure = Figure(figsize=(1.8 + 0.42 * len(rows), 4.4), layout='constrained')
    axes = figure.subplots()
    colours = ['#0072b2' if gain['mean'] >= 0 else '#d55e00' for gain in gains]
    axes.bar(range(len(rows)), [gain['mean'] for gain in gains], color=colours,
             yerr=[gain['standard_error'] or 0 for gain in gains], capsize=3)
    axes.axhline(0, color='black', linewidth=0.8)
    axes.set_xticks(range(len(rows)), list(rows), rotation=60, ha='right')
    axes.set(ylabel='Direct Gain (points of top-1)', title=title)
    axes.grid(axis='y', alpha=0.3)
    means = [(row['effective_gain']['mean'], row['direct_gain']['mean']) for row in rows.values()]
    factor = next((effective / direct for effective, direct in means if direct), 1.)
    axes.secondary_yaxis('right', functions=(lambda gain: gain * factor, lambda gain: gain / factor)).set_ylabel(
        'Effective Gain (%)')
    figure.savefig(path, dpi=DPI)


def _with_error(figure: Mapping, form: str) -> str:
    error = figure['standard_error']
    return f'{figure["mean"]:{form}}' + (f' ± {error:.1f}' if error is not None else '')
