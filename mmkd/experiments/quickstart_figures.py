"""Pictures of the quick start: training curves, and scenes with what the models see in them."""
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from .scene_predictions import Instances, Scene

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


def draw_scenes(path: Path, title: str, predictions: Mapping[str, Sequence[Scene]], classes: Sequence[str],
                palette: Sequence[Sequence[int]]) -> None:
    """Draws scenes, one a row: the image, the truth, and what each model sees.

    Args:
        path: The PNG file.
        title: What the figure shows.
        predictions: Title of each model to its scenes, the same for all.
        classes: Names of the classes.
        palette: Their colours, RGB from 0 to 255.
    """
    scenes = list(zip(*predictions.values()))
    columns, rows = 2 + len(predictions), len(scenes)
    figure = Figure(figsize=(2.3 * columns, 2.3 * rows + 1.0), layout='constrained')
    grid = figure.subplots(rows, columns, squeeze=False)
    for cells, row in zip(grid, scenes):
        contents = [None, row[0].truth, *(scene.prediction for scene in row)]
        for cell, content in zip(cells, contents):
            _draw_scene(cell, row[0].image, content, classes, np.asarray(palette) / 255)
    for cell, name in zip(grid[0], ('image', 'truth', *predictions)):
        cell.set_title(name, fontsize=11)
    figure.suptitle(title, fontsize=12)
    figure.legend(handles=[Patch(color=np.asarray(colour) / 255, label=name) for name, colour in zip(classes, palette)],
                  loc='outside lower center', ncols=len(classes), fontsize=8, handlelength=1, columnspacing=1,
                  handletextpad=0.4)
    figure.savefig(path, dpi=DPI)


def _draw_scene(axes: Axes, image: np.ndarray, content: Instances | np.ndarray | None, classes: Sequence[str],
                colours: np.ndarray) -> None:
    axes.set_axis_off()
    nothing = False
    if content is None:
        axes.imshow(image)
    elif isinstance(content, Instances):
        axes.imshow(_blend(image, content.masks, colours[content.labels]))
        _draw_boxes(axes, content, classes, colours)
        nothing = not len(content.boxes)
    else:
        labels = range(1, len(classes))  # 0 is the background
        nothing = not content.any()
        axes.imshow(_blend(image, np.stack([content == label for label in labels]), colours[1:], strength=0.75))
    if nothing:
        axes.text(0.5, 0.5, 'nothing found', transform=axes.transAxes, ha='center', va='center', color='white',
                  bbox=dict(facecolor='black', alpha=0.6, linewidth=0))


def _draw_boxes(axes: Axes, content: Instances, classes: Sequence[str], colours: np.ndarray) -> None:
    for (left, top, right, bottom), label, score in zip(content.boxes, content.labels, content.scores):
        axes.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, linewidth=1.2,
                                 edgecolor=colours[label]))
        text = classes[label] if score == 1 else f'{classes[label]}: {score:.0%}'
        axes.text(left, top, text, fontsize=7, color='white', va='top' if top < 8 else 'bottom',
                  bbox=dict(facecolor='black', alpha=0.6, pad=0.6, linewidth=0))


def _blend(image: np.ndarray, masks: np.ndarray, colours: np.ndarray, strength: float = 0.55) -> np.ndarray:
    """Lays colours (N, 3) over a darkened image (H, W, 3) where masks (N, H, W) are."""
    mixed = image / 255 * 0.7
    for mask, colour in zip(masks, colours):
        mixed[mask] = (1 - strength) * mixed[mask] + strength * colour
    return mixed
