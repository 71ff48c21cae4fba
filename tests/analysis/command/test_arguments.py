"""The options that the commands share."""
import argparse

import numpy as np
import pytest
from PIL import Image

from mmkd.analysis.command.arguments import add_image_arguments, analysed_images
from mmkd.utils import UserError


@pytest.mark.parametrize(('options', 'size'), [([], 8), (['--size', '4'], 4), (['--size', '0'], None)])
def test_the_size_of_the_images(tmp_path, options, size):
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(tmp_path / 'a.png')
    parser = argparse.ArgumentParser()
    add_image_arguments(parser, 1, 'their own')
    args = parser.parse_args(['--images', str(tmp_path), *options])
    if size is None:
        with pytest.raises(UserError, match='--size expects 1 or more, got 0'):
            analysed_images(args, [], size=8)
    else:
        assert analysed_images(args, [], size=8).size == size
