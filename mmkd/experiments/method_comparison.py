"""Comparing distillation methods over seeds: Direct Gain and Effective Gain, as a table and as a chart."""
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from .quickstart_figures import DPI
from .quickstart_report import paired_gain, summary

HEADER = ('method', 'top-1 (%)', 'Direct Gain', 'Effective Gain (%)', 'seconds', 'terms')


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
                   seconds: Mapping[str, float], terms: Mapping[str, str]) -> str:
    """The comparison as a Markdown table; ± is one standard error.

    Args:
        rows: What :func:`compare` returned.
        alone: Top-1 of the students without a teacher.
        teacher: Top-1 of the teacher.
        seconds: Method (and ``alone``) to the mean seconds of a run.
        terms: Method to what :func:`describe_terms` says of its recipe.
    """
    lines = [HEADER, ('---', *['---:'] * (len(HEADER) - 2), '---'),
             ('*teacher*', f'{teacher:.1f}', '', '', '', ''),
             ('*student alone*', _with_error(summary(alone), '.1f'), '', '', f'{seconds["alone"]:.0f}', '')]
    for name, row in rows.items():
        lines.append((name, _with_error(row['top1'], '.1f'), _with_error(row['direct_gain'], '+.1f'),
                      _with_error(row['effective_gain'], '+.1f'), f'{seconds[name]:.0f}', terms[name]))
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines) + '\n'


def describe_terms(model: Mapping) -> str:
    """Says which losses a recipe combines, with the arguments and weights that it sets.

    Args:
        model: The recipe's ``model``, with all bases resolved.

    Returns:
        For instance ``0.5 × task + NKDLoss(temperature=3, gamma=3.5)``. The student's own loss is left out where its
        weight is 1, and so are weights of 1; what the recipe leaves to a loss's defaults is not said.
    """
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
