import numpy as np
import pytest
from PIL import Image

from mmkd.experiments.quickstart_figures import draw_curves


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
