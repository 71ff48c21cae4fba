"""Pictures of scenes with what detectors and segmentors see in them."""
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from .quickstart_figures import DPI
from .scene_predictions import Instances, Scene, judge, mean_iou

# Told apart by colour-blind readers, and by their lines in print.
STYLES = {'truth': ('#0072b2', '-'), 'right': ('#009e73', '-'), 'wrong class': ('#d55e00', '-'),
          'nothing there': ('#f0e442', ':'), 'missed': ('#cc79a7', '--')}
BRIGHTER = 0.55  # exponent: the textures are dark, to the eye nearly black


def draw_scenes(path: Path, title: str, predictions: Mapping[str, Sequence[Scene]], classes: Sequence[str],
                palette: Sequence[Sequence[int]]) -> None:
    """Draws scenes, one a row: the image, the truth, and what each model sees.

    Boxes have the colour of their verdict (right, wrong class, nothing there, missed), regions that of their class.
    Below each prediction stands how much of it is right. All images are brightened.

    Args:
        path: The PNG file.
        title: What the figure shows.
        predictions: Title of each model to its scenes, the same for all.
        classes: Names of the classes.
        palette: Their colours, RGB from 0 to 255; for regions.
    """
    scenes = list(zip(*predictions.values()))
    columns, rows = 2 + len(predictions), len(scenes)
    figure = Figure(figsize=(2.3 * columns, 2.45 * rows + 1.0), layout='constrained')
    canvas = FigureCanvasAgg(figure)
    grid = figure.subplots(rows, columns, squeeze=False)
    colours, labels = np.asarray(palette) / 255, []
    for cells, row in zip(grid, scenes):
        contents = [None, row[0].truth, *(scene.prediction for scene in row)]
        for place, (cell, content) in enumerate(zip(cells, contents)):
            labels.append(_draw_scene(cell, row[0], content, place > 1, classes, colours))
    for cell, name in zip(grid[0], ('image', 'truth', *predictions)):
        cell.set_title(name, fontsize=11)
    figure.suptitle(f'{title} (images brightened)', fontsize=12)
    boxes = isinstance(scenes[0][0].truth, Instances)
    figure.legend(handles=_verdict_handles() if boxes else [
        Patch(color=colour, label=name) for name, colour in zip(classes[1:], colours[1:])],  # not the background
        loc='outside lower center', ncols=len(classes), fontsize=8, handlelength=1.6, columnspacing=1.2,
        handletextpad=0.4)
    figure.draw_without_rendering()  # fixes the layout, by which the labels find their places
    figure.set_layout_engine('none')
    for group in labels:
        _spread(group, canvas)
    figure.savefig(path, dpi=DPI)


def _verdict_handles() -> list[Patch]:
    return [Patch(fill=False, edgecolor=colour, linestyle=line, linewidth=1.8, label=name)
            for name, (colour, line) in STYLES.items()]


def _draw_scene(axes: Axes, scene: Scene, content: Instances | np.ndarray | None, judged: bool,
                classes: Sequence[str], colours: np.ndarray) -> list[tuple[Text, np.ndarray]]:
    """Draws one cell; returns its labels with their boxes, to be spread."""
    axes.set_axis_off()
    image, labels, below, found = (scene.image / 255) ** BRIGHTER, [], '', True
    if content is None:
        axes.imshow(image)
    elif isinstance(content, Instances):
        verdicts, missed = judge(scene.truth, content) if judged else (['truth'] * len(content.boxes), [])
        axes.imshow(_blend(image, content.masks, [STYLES[verdict][0] for verdict in verdicts]))
        labels = _draw_boxes(axes, content, verdicts, classes)
        labels += _draw_boxes(axes, scene.truth, ['missed'] * len(scene.truth.boxes), classes, missed)
        below, found = f'{verdicts.count("right")} of {len(scene.truth.boxes)} right', len(content.boxes) > 0
    else:
        values = range(1, len(classes))  # 0 is the background
        axes.imshow(_blend(image, np.stack([content == value for value in values]), colours[1:], strength=0.75))
        below, found = f'mIoU {mean_iou(scene.truth, content):.0f} %', content.any()
    if judged:
        axes.text(0.5, -0.02, below, transform=axes.transAxes, ha='center', va='top', fontsize=9)
    if not found:
        axes.text(0.5, 0.5, 'nothing found', transform=axes.transAxes, ha='center', va='center', color='white',
                  bbox=dict(facecolor='black', alpha=0.6, linewidth=0))
    return labels


def _draw_boxes(axes: Axes, content: Instances, verdicts: Sequence[str], classes: Sequence[str],
                chosen: Sequence[int] | None = None) -> list[tuple[Text, np.ndarray]]:
    labels = []
    for number in range(len(content.boxes)) if chosen is None else chosen:
        box, label, score = content.boxes[number], content.labels[number], content.scores[number]
        colour, line = STYLES[verdicts[number]]
        axes.add_patch(Rectangle(box[:2], *(box[2:] - box[:2]), fill=False, linewidth=1.5, edgecolor=colour,
                                 linestyle=line))
        text = classes[label] if score == 1 else f'{classes[label]} {score:.0%}'
        labels.append((axes.text(*box[:2], text, fontsize=7, color='white', va='bottom',
                                 bbox=dict(facecolor='black', alpha=0.75, pad=0.6, linewidth=1, edgecolor=colour)),
                       box))
    return labels


def _spread(labels: Sequence[tuple[Text, np.ndarray]], canvas: FigureCanvasAgg) -> None:
    """Puts each label at a corner of its box, where it covers no other label and stays in the image."""
    taken: list[Bbox] = []
    for text, (left, top, right, bottom) in labels:
        corners = [(x, y, ha, va) for y, outer, inner in ((top, 'bottom', 'top'), (bottom, 'top', 'bottom'))
                   for va in (outer, inner) for x, ha in ((left, 'left'), (right, 'right'))]
        corners += [(x, (top + bottom) / 2, ha, 'center') for x, ha in ((right, 'left'), (left, 'right'))]
        extents = [_extent(text, corner, canvas) for corner in corners]
        best = min(range(len(corners)), key=lambda place: (_outside(extents[place], text.axes.bbox), sum(
            extents[place].overlaps(other) for other in taken), place))
        taken.append(_extent(text, corners[best], canvas))


def _extent(text: Text, corner: tuple[float, float, str, str], canvas: FigureCanvasAgg) -> Bbox:
    x, y, ha, va = corner
    text.set(position=(x, y), ha=ha, va=va)
    return text.get_window_extent(canvas.get_renderer()).padded(2)


def _outside(extent: Bbox, frame: Bbox) -> bool:
    return not (frame.containsx(extent.x0) and frame.containsx(extent.x1) and frame.containsy(extent.y0)
                and frame.containsy(extent.y1))


def _blend(image: np.ndarray, masks: np.ndarray, colours: Sequence, strength: float = 0.55) -> np.ndarray:
    """Lays colours over an image (H, W, 3) from 0 to 1 where masks (N, H, W) are."""
    mixed = image.copy()
    for mask, colour in zip(masks, colours):
        mixed[mask] = (1 - strength) * mixed[mask] + strength * np.asarray(to_rgb(colour))
    return mixed
