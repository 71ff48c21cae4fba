"""Pictures of scenes: verdicts, figures below them, labels that can be read."""
from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image

from mmkd.experiments.scene_figures import STYLES, draw_scenes
from mmkd.experiments.scene_predictions import Instances, Scene

CLASSES, PALETTE = ('background', 'a', 'b'), [(0, 0, 0), (255, 0, 0), (0, 0, 255)]
IMAGE = np.full((96, 96, 3), 30, np.uint8)


def instances(boxes: list, labels: list, score: float = 1.) -> Instances:
    masks = np.zeros((len(boxes), 96, 96), bool)
    for mask, (left, top, right, bottom) in zip(masks, boxes):
        mask[top:bottom, left:right] = True
    return Instances(np.array(boxes, float).reshape(-1, 4), masks, np.array(labels, int), np.full(len(boxes), score))


TRUTH = instances([(1, 1, 30, 40), (4, 4, 33, 43), (60, 60, 95, 95)], [1, 2, 1])
SEEN = instances([(1, 1, 30, 40), (4, 4, 33, 43), (50, 2, 70, 20)], [1, 1, 2], 0.5)
REGIONS = np.tile(np.arange(96) // 32, (96, 1))


@pytest.fixture
def draw(tmp_path, monkeypatch):
    """Draws scenes; returns the picture and the figure."""
    figures, save = [], Figure.savefig
    monkeypatch.setattr(Figure, 'savefig', lambda figure, *args, **kwargs: (
        figures.append(figure), save(figure, *args, **kwargs)))

    def _draw(truth, *seen) -> tuple[np.ndarray, Figure]:
        scenes = {f'model {number}': [Scene(IMAGE, truth, one)] * 2 for number, one in enumerate(seen)}
        draw_scenes(tmp_path / 'scenes.png', 'What they see', scenes, CLASSES, PALETTE)
        with Image.open(tmp_path / 'scenes.png') as image:
            return np.asarray(image.convert('RGB')), figures.pop()

    return _draw


def colours(axes) -> list[str]:
    return [to_hex(patch.get_edgecolor()) for patch in axes.patches]


def words(axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_boxes_have_the_colour_of_their_verdict(draw):
    _, figure = draw(TRUTH, SEEN, instances([], []))
    image, truth, seen, nothing = figure.axes[:4]
    assert colours(image) == [] and colours(truth) == 3 * [STYLES['truth'][0]]
    assert colours(seen) == [STYLES[verdict][0] for verdict in ('right', 'wrong class', 'nothing there', 'missed')]
    assert colours(nothing) == 3 * [STYLES['missed'][0]]
    assert {'a 50%', 'b 50%', '1 of 3 right'} <= set(words(seen))
    assert {'nothing found', '0 of 3 right'} <= set(words(nothing))
    assert [text.get_text() for text in figure.legends[0].texts] == list(STYLES)


def test_labels_stay_in_the_image_and_cover_no_other(draw):
    _, figure = draw(TRUTH, SEEN)
    figure.draw_without_rendering()
    for axes in figure.axes[1:3]:
        extents = [text.get_window_extent() for text in axes.texts if 'right' not in text.get_text()]
        assert len(extents) >= 3 and not any(one.overlaps(other) for one, other in combinations(extents, 2))
        for extent in extents:
            assert axes.bbox.x0 <= extent.x0 and extent.x1 <= axes.bbox.x1
            assert axes.bbox.y0 <= extent.y0 and extent.y1 <= axes.bbox.y1


def test_regions_have_the_mean_iou_of_their_image(draw):
    _, figure = draw(REGIONS, REGIONS, REGIONS.T, 0 * REGIONS)
    assert [words(axes) for axes in figure.axes[:5]] == [
        [], [], ['mIoU 100 %'], ['mIoU 20 %'], ['mIoU 11 %', 'nothing found']]
    assert [text.get_text() for text in figure.legends[0].texts] == ['a', 'b']


def test_dark_images_are_bright_enough_to_read(draw):
    picture, figure = draw(REGIONS, REGIONS)
    assert np.median(figure.axes[0].images[0].get_array()) > 0.25 > 2 * IMAGE.mean() / 255
    assert min(picture.shape[:2]) > 200 and picture.std() > 5
