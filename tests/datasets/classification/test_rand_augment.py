"""RandAugment with counted tables, against mmpretrain's."""
import mmkd  # noqa: F401
import numpy as np
import pytest
from mmengine.registry import init_default_scope
from mmpretrain.datasets import transforms
from sklearn.datasets import load_sample_images

from mmkd.datasets.classification.rand_augment import RandAugment

PHOTO = np.ascontiguousarray(load_sample_images().images[0][100:196, 100:180])
IMAGES = dict(photo=PHOTO, dull=PHOTO // 3 + 40, one_pixel=PHOTO[:1, :1], few=PHOTO[:5, :3], mirrored=PHOTO[:, ::-1],
              flat=np.full((64, 64, 3), 7, np.uint8), channels=np.full((64, 64, 3), (0, 128, 255), np.uint8),
              ends=np.array([[[0, 0, 255], [255, 0, 255]]], np.uint8),
              two=np.array([[[9, 0, 1], [200, 3, 2]]], np.uint8),
              grey=PHOTO[..., 0], floats=PHOTO.astype(np.float32))
OPTIONS = dict(num_policies=2, total_level=10, magnitude_level=9, magnitude_std=0.5,
               hparams=dict(pad_val=[104, 117, 123], interpolation='bicubic'))


@pytest.fixture(autouse=True)
def scope():
    init_default_scope('mmpretrain')


def augmented(cls, policies, image, seeds):
    augment = cls(policies=policies, **OPTIONS)
    for seed in seeds:
        np.random.seed(seed)
        yield augment(dict(img=image.copy()))['img'], np.random.rand()


@pytest.mark.parametrize('operation', ['AutoContrast', 'Equalize'])
@pytest.mark.parametrize('name', [name for name in IMAGES if name not in ('grey', 'floats')])
def test_tables_are_mmcvs_results(operation, name):
    both = (augmented(cls, [dict(type=operation, prob=0.7)], IMAGES[name], range(6))
            for cls in (RandAugment, transforms.RandAugment))
    for (ours, after), (theirs, expected) in zip(*both, strict=True):
        assert ours.dtype == theirs.dtype and (ours == theirs).all() and after == expected


def test_all_operations_are_mmpretrains():
    both = (augmented(cls, 'timm_increasing', PHOTO, range(60)) for cls in (RandAugment, transforms.RandAugment))
    changed = 0
    for (ours, after), (theirs, expected) in zip(*both, strict=True):
        assert (ours == theirs).all() and after == expected
        changed += (ours != PHOTO).any()
    assert changed > 20


@pytest.mark.parametrize('name', ['grey', 'floats'])
def test_other_images_fail_or_come_out_as_ever(name):
    outcomes = []
    for cls in (RandAugment, transforms.RandAugment):
        try:
            outcomes.append([(image.tolist(), after) for image, after in augmented(
                cls, [dict(type='AutoContrast', prob=1.)], IMAGES[name], [0])])
        except Exception as error:
            outcomes.append((type(error), str(error)))
    assert outcomes[0] == outcomes[1]
