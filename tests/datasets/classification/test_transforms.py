"""The faster resizing transforms, against mmpretrain's."""
import cv2
import numpy as np
import pytest
from mmcv.transforms import CenterCrop
from mmpretrain.datasets import transforms

from mmkd.benchmarks.input_pipeline import draw_photos
from mmkd.datasets.classification.transforms import RandomErasing, RandomResizedCrop, ResizeEdge


@pytest.fixture(scope='module')
def photo(tmp_path_factory):
    folder = tmp_path_factory.mktemp('photos')
    draw_photos(folder, 1)
    image = cv2.imread(str(next(folder.rglob('*.jpg'))))
    return lambda height=375, width=500: np.ascontiguousarray(np.tile(image, (2, 2, 1))[:height, :width])


@pytest.mark.parametrize('options', [dict(backend='pillow', interpolation='bicubic'), {}, dict(scale=(32, 48))])
def test_random_crop_is_mmpretrains(photo, options):
    options = dict(scale=64) | options
    results = []
    for cls in (RandomResizedCrop, transforms.RandomResizedCrop):
        np.random.seed(0)
        results.append([cls(**options)(dict(img=photo())) for _ in range(5)])
    for ours, theirs in zip(*results):
        assert ours['img_shape'] == theirs['img_shape'] and (ours['img'] == theirs['img']).all()


@pytest.mark.parametrize(('shape', 'scale', 'crop_size', 'edge'), [
    ((375, 500), 256, 224, 'short'), ((500, 375), 236, 224, 'short'), ((333, 500), 248, 224, 'short'),
    ((100, 90), 64, 64, 'short'), ((225, 300), 60, 64, 'short'), ((60, 90), 128, 65, 'long')])
def test_edge_and_crop_are_mmpretrains(photo, shape, scale, crop_size, edge):
    crop = CenterCrop(crop_size=crop_size)
    both = ResizeEdge(scale, crop_size, edge, 'bicubic'), transforms.ResizeEdge(scale, edge, 'pillow', 'bicubic')
    ours, theirs = (crop(resize(dict(img=photo(*shape)))) for resize in both)
    assert ours['img'].shape == theirs['img'].shape and ours['scale_factor'] == theirs['scale_factor']
    difference = np.abs(ours['img'].astype(int) - theirs['img'].astype(int))
    assert difference.max() <= 1 and (difference > 0).mean() < 5e-3


def test_edge_computes_the_centre_only(photo):
    assert ResizeEdge(256, 224)(dict(img=photo()))['img'].shape == (224, 224, 3)
    assert repr(ResizeEdge(256, 224)).endswith('interpolation=bilinear, crop_size=224)')


@pytest.mark.parametrize('options', [dict(mode='const'), dict(mode='rand', fill_color=[10, 128, 250], fill_std=40.)])
def test_erasing_is_mmpretrains(options):
    results = []
    for cls in (RandomErasing, transforms.RandomErasing):
        np.random.seed(0)
        erase = cls(erase_prob=1., min_area_ratio=0.3, max_area_ratio=0.4, **options)
        results.append(erase(dict(img=np.full((224, 224, 3), 7, np.uint8)))['img'].reshape(-1, 3))
    ours, theirs = results
    if options['mode'] == 'const':
        assert (ours == theirs).all()
    ours, theirs = (values[(values != 7).any(1)] for values in (ours, theirs))
    assert len(ours) > 10000 and abs(len(ours) - len(theirs)) < 10
    # Five standard errors of about 16,000 values with a standard deviation of 40, and the shares at both ends.
    assert np.abs(ours.mean(0) - theirs.mean(0)).max() < 5 * 40 * (2 / len(ours))**0.5
    for end in (0, 255):
        assert np.abs((ours == end).mean(0) - (theirs == end).mean(0)).max() < 5 * (0.5 / len(ours))**0.5


def test_erasing_follows_the_seed():
    erase, images = RandomErasing(erase_prob=1., mode='rand', fill_std=10.), []
    for seed in (0, 0, 1):
        np.random.seed(seed)
        images.append(erase(dict(img=np.zeros((32, 32, 3), np.uint8)))['img'])
    assert (images[0] == images[1]).all() and (images[0] != images[2]).any()
