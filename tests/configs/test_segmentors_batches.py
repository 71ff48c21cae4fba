"""What the loaders of the segmentors' recipes give becomes a batch: mmseg's configs do not all say how."""
import pytest
import torch
from mmengine.registry import MODELS, init_default_scope
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from mmkd.distillers.models import student_config
from mmkd.utils.configs.finding import config_root, load_config

RECIPES = sorted(path.name for path in (config_root() / 'dense').glob('*net_*.py')
                 if path.name.startswith(('pspnet', 'upernet')))


@pytest.mark.parametrize('recipe', RECIPES)
def test_images_become_a_batch(recipe):
    config = load_config(f'dense/{recipe}')
    init_default_scope('mmseg')
    preprocessor = MODELS.build(student_config(config).model.data_preprocessor)
    crop = next(step['crop_size'] for step in config.train_dataloader.dataset.pipeline if step['type'] == 'RandomCrop')
    height, width = crop
    samples = [SegDataSample(gt_sem_seg=PixelData(data=torch.zeros(1, *size, dtype=torch.long)))
               for size in ((height, width), (height - 64, width))]
    images = [torch.zeros(3, *sample.gt_sem_seg.shape, dtype=torch.uint8) for sample in samples]
    batch = preprocessor(dict(inputs=images, data_samples=samples), training=True)
    assert batch['inputs'].shape == (2, 3, height, width)
    assert all(sample.gt_sem_seg.shape == (height, width) for sample in batch['data_samples'])


def test_there_are_recipes():
    assert len(RECIPES) >= 2
