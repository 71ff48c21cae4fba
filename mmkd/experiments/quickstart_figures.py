"""A picture of training curves."""
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

COLOURS = ('#8c8c8c', '#0072b2', '#d55e00', '#009e73')  # told apart by colour-blind readers too
DPI = 150


def draw_curves(path: Path, curves: Mapping[str, Sequence[Mapping[int, float]]], teacher: float | None = None) -> None:
    """Draws top-1 over the epochs: the mean over the seeds, and a band of one standard error to both sides.

    Args:
        path: The PNG file.
        curves: Title of each group of runs to its runs' values by epoch; epochs that not all have are left out.
        teacher: Top-1 of the teacher, if it is to be drawn.
    """
    figure = Figure(figsize=(6.4, 4.2), layout='constrained')
    axes = figure.subplots()
    if teacher is not None:
        axes.axhline(teacher, color='black', linestyle='--', linewidth=1, label=f'teacher, {teacher:.1f} %')
    seeds = 0
    for (title, runs), colour in zip(curves.items(), COLOURS):
        epochs = sorted(set.intersection(*(set(run) for run in runs)))
        values = np.array([[run[epoch] for epoch in epochs] for run in runs])  # (seeds, epochs)
        mean, seeds = values.mean(0), len(runs)
        axes.plot(epochs, mean, marker='o', markersize=3, color=colour, label=title)
        if seeds > 1:
            error = values.std(0, ddof=1) / np.sqrt(seeds)
            axes.fill_between(epochs, mean - error, mean + error, color=colour, alpha=0.25, linewidth=0)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set(xlabel='epoch', ylabel='top-1 on the validation digits (%)',
             title=f'The student, mean of {seeds} seeds, band ± 1 standard error')
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=DPI)
