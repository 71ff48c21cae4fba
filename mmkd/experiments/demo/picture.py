"""The demo's picture: digits, what each model says of them, and what distillation gained."""
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

DPI = 110
RIGHT, WRONG = '#00734f', '#b34700'  # told apart by colour-blind readers; wrong ones are in brackets as well
BARS = ('#4d4d4d', '#7fb2d6', '#8c8c8c', '#0072b2')


def draw(path: Path, pixels: Tensor, labels: Tensor, scores: Mapping[str, Tensor], accuracies: Mapping[str, float],
         title: str, note: str) -> None:
    """Draws the picture.

    Args:
        path: The PNG file.
        pixels: The digits, RGB from 0 to 255, (N, 3, H, W).
        labels: Their classes, (N,).
        scores: Name of each model to its probabilities, (N, 10).
        accuracies: Name of each model to its top-1 in percent, where it is known.
        title: What was trained.
        note: How, in a line below.
    """
    figure = Figure(figsize=(10.5, 2.4 + 0.34 * len(scores) + 0.42 * len(accuracies)), layout='constrained')
    FigureCanvasAgg(figure)
    above, below = figure.subfigures(2, 1, height_ratios=(1.7 + 0.34 * len(scores), 0.7 + 0.42 * len(accuracies)))
    cells = above.subplots(2, len(labels) + 1, height_ratios=(1.25, 0.34 * (len(scores) + 1)), squeeze=False,
                           width_ratios=(1.9, *[1] * len(labels)))
    for cell in cells.flat:
        cell.set_axis_off()
    _names(cells[1][0], ['true digit', *scores])
    for column, (image, label) in enumerate(zip(pixels, labels.tolist()), 1):
        cells[0][column].imshow((image.permute(1, 2, 0).numpy() / 255) ** 0.55)  # brighter, as the textures are dark
        _verdicts(cells[1][column], label, [score[column - 1] for score in scores.values()])
    above.suptitle('What the models say of digits that none of them has seen, and how sure they are', fontsize=11)
    _bars(below.subplots(), accuracies, title, note)
    figure.savefig(path, dpi=DPI)


def _lines(count: int) -> list[float]:
    return [1 - (line + 0.5) / count for line in range(count)]


def _names(axes: Axes, names: Sequence[str]) -> None:
    for y, name in zip(_lines(len(names)), names):
        axes.text(1, y, name, transform=axes.transAxes, ha='right', va='center', fontsize=9)


def _verdicts(axes: Axes, label: int, scores: Sequence[Tensor]) -> None:
    places = _lines(len(scores) + 1)
    axes.text(0.5, places[0], str(label), transform=axes.transAxes, ha='center', va='center', fontsize=11,
              weight='bold')
    for y, score in zip(places[1:], scores):
        said = int(score.argmax())
        text = f'{said}, {100 * score[said]:.0f} %'
        axes.text(0.5, y, text if said == label else f'({text})', transform=axes.transAxes, ha='center', va='center',
                  fontsize=9, color=RIGHT if said == label else WRONG)


def _bars(axes: Axes, accuracies: Mapping[str, float], title: str, note: str) -> None:
    names, values = list(accuracies), list(accuracies.values())
    axes.barh(names, values, color=BARS[:len(names)], height=0.65)
    for place, value in enumerate(values):
        inside = value > 15  # a short bar has no room for its figure
        axes.text(value - 1 if inside else value + 1, place, f'{value:.1f} %', va='center', fontsize=9, weight='bold',
                  ha='right' if inside else 'left', color='white' if inside else 'black')
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel(f'top-1 on the digits held out (%). {note}', fontsize=9)
    axes.set_title(title, fontsize=11)
    axes.tick_params(labelsize=9)
