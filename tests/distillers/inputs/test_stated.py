"""What the checkpoint of a teacher says of its images."""
import copy

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS

from mmkd.distillers.inputs import stated_normalisation

from ..conftest import resnet

PLAIN = dict(type='ClsDataPreprocessor', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
FOUND = dict(mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375), to_rgb=True)
OTHER = dict(PLAIN, mean=[1, 2, 3])
KD = dict(kd=dict(loss=dict(type='mmkd.KDLoss'), student='logits', teacher='logits'))


@pytest.mark.parametrize('config', [
    dict(model=dict(type='A', data_preprocessor=PLAIN), data_preprocessor=OTHER),
    dict(model=dict(type='A'), data_preprocessor=PLAIN),
    dict(model=dict(type='mmkd.Distiller', student=dict(type='A', data_preprocessor=OTHER), data_preprocessor=PLAIN)),
    dict(model=dict(type='mmkd.Distiller', student=dict(type='A', data_preprocessor=PLAIN),
                    teacher=dict(type='B', data_preprocessor=OTHER)))])
def test_the_preprocessor_of_the_model_counts(config):
    assert stated_normalisation(Config(config).pretty_text) == FOUND


@pytest.mark.parametrize('text', [
    None, b'', '', 'def', 'model = 3', 'model = dict(data_preprocessor=dict(mean=[1], std=[0]))',
    'model = dict(data_preprocessor=dict(mean=[1, 2], std=[1]))', 'data_preprocessor = dict(to_rgb=True)'])
def test_other_texts_say_nothing(text):
    assert stated_normalisation(text) is None


@pytest.mark.parametrize(('then', 'now', 'to_rgb'), [
    ('CIFAR10', True, False), ('CIFAR10', False, True), ('CustomDataset', True, True), ('CustomDataset', False, False)])
def test_the_order_is_that_of_the_data_of_then(then, now, to_rgb):
    config = Config(dict(model=dict(type='A', data_preprocessor=dict(PLAIN, to_rgb=False)),
                         train_dataloader=dict(dataset=dict(type=then))))
    assert stated_normalisation(config.pretty_text, now)['to_rgb'] is to_rgb


def timm_teacher(folder) -> dict:
    """A model of timm's that was trained with another normalisation than timm's own weights."""
    cfg = dict(type='mmpretrain.TimmClassifier', model_name='vit_tiny_patch16_224', num_classes=10, img_size=32,
               depth=1)
    text = Config(dict(model=cfg | dict(data_preprocessor=resnet()['data_preprocessor']))).pretty_text
    torch.save(dict(state_dict=MODELS.build(dict(cfg)).state_dict(), meta=dict(cfg=text)), folder / 'own.pth')
    return dict(timm=cfg['model_name'], num_classes=10, img_size=32, depth=1, checkpoint=str(folder / 'own.pth'))


def test_a_timm_teacher_of_ones_own_gets_the_images_that_it_was_trained_with(build, tmp_path):
    cfg = timm_teacher(tmp_path)
    images, teacher = torch.rand(2, 3, 32, 32), build(student=resnet(), teacher=cfg, terms=KD).teachers['teacher']
    assert teacher.adapt(images) is not images  # the file is not read yet
    teacher.load()
    assert teacher.adapt(images) is images
    stated = dict(cfg, data_preprocessor=dict(resnet()['data_preprocessor'], mean=[0.] * 3))
    other = build(student=resnet(), teacher=copy.deepcopy(stated), terms=KD).teachers['teacher']
    other.load()
    torch.testing.assert_close(other.adapt(images), images + 2)
