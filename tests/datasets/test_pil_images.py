"""mmkd/datasets/pil_images.py: Pillow's pictures are those that the training reads."""
import mmcv
import numpy as np
import pytest
from PIL import Image

from mmkd.analysis.command.images import ImageFolder
from mmkd.datasets.classification.torch_dataset import as_bgr
from mmkd.export.pictures import Preparation

PIXELS = np.arange(12 * 20 * 3, dtype=np.uint8).reshape(12, 20, 3)


def check_like_training(path):
    """Compares all that read with Pillow to what mmpretrain's loader gives."""
    loaded = mmcv.imread(str(path))
    with Image.open(path) as image:
        assert np.array_equal(as_bgr(image, 0), loaded)
    assert np.array_equal(ImageFolder(path.parent).read(0), loaded[..., ::-1])
    exported = Preparation(None, 3, loaded.shape[:2])(path)
    assert np.array_equal(exported.permute(1, 2, 0).numpy(), loaded[..., ::-1])


@pytest.mark.parametrize('suffix', ['png', 'tif', 'pgm'])
def test_16_bits(tmp_path, suffix):
    Image.fromarray(257 * PIXELS[..., 0].astype(np.uint16)).save(path := tmp_path / f'x.{suffix}')
    check_like_training(path)
    assert mmcv.imread(str(path)).std() > 50


@pytest.mark.parametrize('suffix', ['png', 'tif', 'webp'])
@pytest.mark.parametrize('orientation', [1, 2, 3, 4, 5, 6, 7, 8])
def test_turned_pictures(tmp_path, suffix, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(PIXELS).save(path := tmp_path / f'x.{suffix}', exif=exif, lossless=True)
    check_like_training(path)


@pytest.mark.parametrize('change', [
    lambda image: image.convert('RGB'), lambda image: image.resize((9, 7)), lambda image: image.crop((1, 2, 9, 7)),
    lambda image: image.rotate(90, expand=True), lambda image: image.transpose(Image.Transpose.FLIP_TOP_BOTTOM)])
def test_what_a_data_set_made_of_a_picture_is_not_turned(tmp_path, change):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(PIXELS).save(path := tmp_path / 'x.png', exif=exif)
    with Image.open(path) as image:
        changed = change(image)
    assert np.array_equal(as_bgr(changed, 0), np.asarray(changed)[..., ::-1])


def test_pictures_of_other_kinds_stay(tmp_path):
    numbers = Image.fromarray(np.full((4, 4), 7, np.int32))  # of no file: nobody says that they are 16 bits
    assert (as_bgr(numbers, 0) == 7).all()
    for mode in ('1', 'L', 'P', 'LA', 'RGBA'):
        Image.fromarray(PIXELS).convert(mode).save(path := tmp_path / 'x.png')
        check_like_training(path)
