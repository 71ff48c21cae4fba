"""COCO's run lengths, boxes and areas of masks. Whole data sets: tests/tools/dataset_converters."""
import numpy as np
import pytest

from mmkd.datasets.scenes.writing import coco_annotation, rle


def decode(runs):
    values = np.arange(len(runs['counts'])) % 2
    return np.repeat(values, runs['counts']).reshape(runs['size'], order='F').astype(bool)


@pytest.mark.parametrize('seed', range(5))
def test_run_lengths_can_be_read_back(seed):
    mask = np.random.default_rng(seed).random((7, 11)) < seed / 4
    assert (decode(rle(mask)) == mask).all()
    mask_api = pytest.importorskip('pycocotools.mask')
    assert (mask_api.decode(mask_api.frPyObjects(rle(mask), 7, 11)) == mask).all()


def test_the_box_is_that_of_the_mask():
    mask = np.zeros((10, 12), bool)
    mask[3:5, 2:9] = True
    mask[7, 4] = True
    annotation = coco_annotation(mask, 6)
    assert annotation['bbox'] == [2, 3, 7, 5] and annotation['area'] == 15 and annotation['category_id'] == 7
