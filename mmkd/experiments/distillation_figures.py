"""A picture of what distillation runs did: losses, gradient shares, accuracy, and nearness to the teacher."""
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmkd.utils import UserError, nearest

from .run_logs import is_number, read_scalars, read_teachers

# Okabe and Ito's, told apart by colour-blind readers too
COLOURS = ('#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#8c8c8c', '#000000')
NOT_METRICS = ('teacher_agreement', 'teacher_kl', 'step', 'time', 'data_time', 'epoch', 'memory')
Curve = dict[int, float]


@dataclass(frozen=True)
class DistillationLog:
    """The figures of one distillation run.

    Args:
        train: Training figures by iteration.
        val: Validation figures by epoch or iteration.
        teachers: Figures of the teachers before training.
    """
    train: dict[int, dict]
    val: dict[int, dict]
    teachers: dict[str, float]

    @classmethod
    def read(cls, folder: Path) -> 'DistillationLog':
        """Reads a work dir.

        Raises:
            UserError: It has no log, or that of a run without a teacher.
        """
        if not folder.is_dir():
            raise UserError(f'a work dir expects a folder, got {folder}, which does not exist. Check its name.')
        train, val = read_scalars(folder)
        if not train:
            raise UserError(f'{folder} expects a log with training figures in */vis_data/scalars.json, found none. '
                            'Give the work dir of a run that has logged at least once, with a LocalVisBackend.')
        log = cls(train, val, read_teachers(folder))
        if not log.losses():
            raise UserError(f'{folder} expects the log of a distillation run, found none of its terms in it. Give the '
                            'work dir of a recipe of type mmkd.Distiller.')
        return log

    def losses(self) -> dict[str, Curve]:
        """The task loss and the terms by iteration; nothing if the run has no term."""
        terms = _curves(self.train, lambda key: key.startswith('loss_'))
        return {**_curves(self.train, lambda key: key == 'task_loss'),
                **{name.removeprefix('loss_'): curve for name, curve in terms.items()}} if terms else {}

    def shares(self) -> dict[str, Curve]:
        """The gradient shares by iteration, where they were measured: the log repeats them until the next time."""
        curves = _curves(self.train, lambda key: key.startswith('grad_share/'))
        return {name.removeprefix('grad_share/'): _changes(curve) for name, curve in curves.items()}

    def metrics(self) -> list[str]:
        """The names of the student's validation figures, those first that the teacher has too."""
        names = {key: None for entry in self.val.values() for key, value in entry.items()
                 if is_number(value) and not key.startswith(NOT_METRICS)}
        return sorted(names, key=lambda name: not self.of_teachers(name))

    def of_teachers(self, metric: str) -> dict[str, float]:
        """Title of each teacher to its value of a metric."""
        return {f'teacher {key.removesuffix(metric).rstrip("/")}'.rstrip(): value
                for key, value in self.teachers.items() if key == metric or key.endswith(f'/{metric}')}

    def nearness(self, key: str) -> dict[str, Curve]:
        """``teacher_agreement`` or ``teacher_kl`` of each teacher by epoch or iteration."""
        curves = _curves(self.val, lambda name: name.partition('/')[0] == key)
        return {f'teacher {name.removeprefix(key).lstrip("/")}'.rstrip(): curve for name, curve in curves.items()}


def distillation_figure(runs: Mapping[str, DistillationLog], metric: str | None = None) -> Figure:
    """Draws one row a run; the rows share their scales.

    Args:
        runs: Title of each run to its log.
        metric: Name of the validation figure; the first that student and teacher have in common if None.

    Returns:
        The figure: losses, gradient shares, the metric, agreement and divergence.

    Raises:
        UserError: No run has the metric.
    """
    known = list(dict.fromkeys(name for log in runs.values() for name in log.metrics()))
    if metric is not None and metric not in known:
        raise UserError(f'--metric expects a validation figure of the runs, got {metric!r}. {nearest(metric, known)}')
    metric = metric or (known[0] if known else '')
    figure = Figure(figsize=(18, 0.6 + 3.6 * len(runs)), layout='constrained')
    for row, (title, log) in zip(figure.subplots(len(runs), 5, sharey='col', squeeze=False), runs.items()):
        when = 'epoch' if any('epoch' in entry for entry in log.train.values()) else 'iteration'
        _draw(row[0], log.losses(), 'task loss and terms, weighted', 'iteration')
        _draw(row[1], log.shares(), 'share of the gradient norm', 'iteration', marker='o')
        _draw(row[2], {'student': _curves(log.val, lambda key: key == metric).get(metric, {})},
              metric or 'validation', when, log.of_teachers(metric), marker='o')
        _draw(row[3], log.nearness('teacher_agreement'), 'same top-1 as the teacher (%)', when, marker='o')
        _draw(row[4], log.nearness('teacher_kl'), 'KL from the teacher (nats)', when, marker='o')
        row[0].set_ylabel(title)
    return figure


def _draw(axes: Axes, curves: Mapping[str, Curve], title: str, xlabel: str,
          levels: Mapping[str, float] | None = None, marker: str = '') -> None:
    curves = {name: curve for name, curve in curves.items() if curve}
    for (name, curve), colour in zip(curves.items(), COLOURS * len(curves)):
        axes.plot(list(curve), list(curve.values()), label=name, color=colour, marker=marker, markersize=3)
    for (name, level), colour in zip((levels or {}).items(), reversed(COLOURS)):
        axes.axhline(level, label=f'{name}, {level:.4g}', color=colour, linestyle='--', linewidth=1)
    axes.set(title=title, xlabel=xlabel)
    axes.grid(alpha=0.3)
    if curves or levels:
        axes.legend(fontsize=8)
    else:
        axes.text(0.5, 0.5, 'not logged', transform=axes.transAxes, ha='center', va='center')


def _curves(entries: Mapping[int, dict], chosen: Callable[[str], bool]) -> dict[str, Curve]:
    names = dict.fromkeys(key for entry in entries.values() for key in entry if chosen(key))
    return {name: {step: entry[name] for step, entry in entries.items() if is_number(entry.get(name))}
            for name in names}


def _changes(curve: Curve) -> Curve:
    values = [None, *curve.values()]
    return {step: value for (step, value), before in zip(curve.items(), values) if value != before}
