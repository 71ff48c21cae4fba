"""Resizing with PyTorch's code for bytes, against Pillow's."""
import cv2
import numpy as np
import pytest
from mmcv.image import imresize
from sklearn.datasets import load_sample_images

from mmkd.datasets.classification import resizing
from mmkd.datasets.classification.resizing import resize
from mmkd.datasets.classification.transforms import RandomResizedCrop

RNG = np.random.default_rng(0)
PICTURES = dict(photo=load_sample_images().images[0],
                noise=RNG.integers(0, 256, (400, 500, 3), np.uint8),
                checks=RNG.integers(0, 2, (400, 500, 1), np.uint8).repeat(3, 2) * np.uint8(255))
SHAPES = [(400, 500), (333, 240), (120, 160), (300, 100), (224, 224), (7, 5), (1, 1)]


def pillow(image, size, interpolation):
    return imresize(np.ascontiguousarray(image), size, interpolation=interpolation, backend='pillow')


@pytest.mark.parametrize('picture', PICTURES)
@pytest.mark.parametrize('interpolation', ['bilinear', 'bicubic'])
def test_height_by_pytorch_differs_by_one_at_most(picture, interpolation):
    for height, width in SHAPES:
        for size in ((224, 224), (96, 160)):
            crop = PICTURES[picture][:height, -width:]
            resized = resize(crop, size, interpolation, 'pillow_torch')
            difference = np.abs(resized.astype(int) - pillow(crop, size, interpolation))
            assert resized.shape == (*size[::-1], 3) and resized.dtype == np.uint8
            assert resized.flags.c_contiguous and resized.flags.writeable
            assert difference.max() <= 1 and difference.mean() < 0.1


@pytest.mark.parametrize('interpolation', ['bilinear', 'bicubic'])
def test_both_by_pytorch_differ_little(interpolation):
    for height, width in SHAPES[:5]:
        crop = PICTURES['photo'][:height, -width:]
        resized = resize(crop, (224, 224), interpolation, 'torch')
        difference = np.abs(resized.astype(int) - pillow(crop, (224, 224), interpolation))
        assert difference.max() <= 2 and difference.mean() < 0.02 and (difference > 1).mean() < 1e-4


def test_without_vector_instructions_pillow_does_it_all(monkeypatch):
    crop = PICTURES['noise'][:333, :240]
    wanted = pillow(crop, (224, 224), 'bicubic')
    assert (resize(crop, (224, 224), 'bicubic', 'torch') != wanted).any()
    monkeypatch.setattr(resizing, '_vectorised', lambda: False)
    assert (resize(crop, (224, 224), 'bicubic', 'torch') == wanted).all()


@pytest.mark.parametrize('backend', resizing.BACKENDS)
def test_grey_images_go_to_pillow(backend):
    grey = cv2.cvtColor(PICTURES['photo'], cv2.COLOR_RGB2GRAY)
    assert (resize(grey, (64, 32), 'bicubic', backend) == pillow(grey, (64, 32), 'bicubic')).all()


@pytest.mark.parametrize('backend', resizing.BACKENDS)
def test_the_crop_takes_it(backend):
    results = []
    for name in (backend, 'pillow'):
        np.random.seed(3)
        crop = RandomResizedCrop(scale=(64, 48), backend=name, interpolation='bicubic')
        results.append(crop(dict(img=PICTURES['photo'])))
    ours, theirs = results
    assert ours['img_shape'] == theirs['img_shape'] == (64, 48, 3)
    assert np.abs(ours['img'].astype(int) - theirs['img']).max() <= 1
    with pytest.raises(ValueError, match="bilinear or bicubic, got 'lanczos'. Take one of these or backend='pillow'"):
        RandomResizedCrop(scale=64, backend=backend, interpolation='lanczos')
