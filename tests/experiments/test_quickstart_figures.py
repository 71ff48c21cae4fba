import numpy as np
import pytest
from PIL import Image

from mmkd.experiments.quickstart_figures import draw_curves, draw_scenes
from mmkd.experiments.scene_predictions import Instances, Scene

CLASSES, PALETTE = ('background', 'a', 'b'), [(0, 0, 0), (255, 0, 0), (0, 0, 255)]


def instances(count):
    masks = np.zeros((count, 32, 32), bool)
    masks[:, 4:12, 6:20] = True
    return Instances(np.tile([6., 4., 20., 12.], (count, 1)), masks, np.ones(count, int), np.full(count, 0.5))


def is_picture(path):
    with Image.open(path) as image:
        pixels = np.asarray(image.convert('RGB'))
    return min(pixels.shape[:2]) > 200 and pixels.std() > 5


@pytest.mark.parametrize('seeds', [1, 3])
def test_curves(tmp_path, seeds):
    runs = [{1: 10. + seed, 2: 20. + seed, 3: 25.} for seed in range(seeds)]
    runs[-1].pop(2)  # a run that was interrupted during a validation
    draw_curves(tmp_path / 'curves.png', dict(alone=runs, distilled=runs), teacher=90.)
    assert is_picture(tmp_path / 'curves.png')


@pytest.mark.parametrize('kind', ['boxes', 'regions'])
def test_scenes(tmp_path, kind):
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    regions = np.tile(np.arange(32) // 11, (32, 1))
    truth, seen, nothing = ((instances(2), instances(1), instances(0)) if kind == 'boxes' else
                            (regions, regions.T, 0 * regions))
    scenes = {'one model': [Scene(image, truth, seen)] * 2, 'another': [Scene(image, truth, nothing)] * 2}
    draw_scenes(tmp_path / 'scenes.png', 'What they see', scenes, CLASSES, PALETTE)
    assert is_picture(tmp_path / 'scenes.png')
