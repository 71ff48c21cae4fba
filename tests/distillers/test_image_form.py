"""Channels, sizes and normalisations that models ask for."""
import pytest
import torch
from mmengine.registry import MODELS

from mmkd.distillers.image_form import fixed_input_size, image_channels, teacher_normalisation
from mmkd.utils import UserError

from .conftest import classifier, resnet

KD = dict(kd=dict(loss=dict(type='mmkd.KDLoss'), student='logits', teacher='logits'))


def timm(name: str, **options) -> dict:
    """A classifier of timm's."""
    return dict(type='mmpretrain.TimmClassifier', model_name=name, num_classes=10, **options)


@pytest.mark.parametrize(('config', 'channels'), [
    (resnet(), 3), (resnet(in_channels=1), 3),  # its mean has three entries
    (timm('resnet10t', in_chans=1), 1), (timm('resnet10t', in_chans=5), 5), (timm('tresnet_m'), 3),
    (dict(type='mmpretrain.ImageClassifier', backbone=dict(type='mmpretrain.LeNet5', num_classes=10),
          head=dict(type='mmpretrain.ClsHead')), 1)])
def test_channels(config, channels):
    assert image_channels(MODELS.build(config)) == channels


@pytest.mark.parametrize(('name', 'options', 'size'), [
    ('vit_tiny_patch16_224', {}, (224, 224)), ('vit_tiny_patch16_224', dict(img_size=64), (64, 64)),
    ('vit_tiny_patch16_224', dict(img_size=(32, 64)), (32, 64)),
    ('vit_tiny_patch16_224', dict(img_size=64, dynamic_img_size=True), None),
    ('swin_tiny_patch4_window7_224', dict(img_size=64, window_size=2), (64, 64)),
    ('mixer_s32_224', dict(img_size=96), (96, 96)), ('resnet10t', {}, None)])
def test_sizes_of_timm_models(name, options, size):
    model = MODELS.build(timm(name, **options))
    assert fixed_input_size(model, timm(name, **options)) == size


def test_a_teacher_that_was_built_for_another_size_gets_it(build):
    distiller = build(student=resnet(), teacher=dict(timm='vit_tiny_patch16_224', img_size=48, num_classes=10),
                      terms=KD)
    seen = []
    distiller.teachers[''].model.register_forward_pre_hook(lambda _, x: seen.append(tuple(x[0].shape[2:])))
    distiller.teachers[''](torch.rand(2, 3, 32, 32))
    assert seen == [(48, 48)]


@pytest.mark.parametrize('channels', [1, 2, 5])
def test_models_of_other_channels(build, channels):
    preprocessor = dict(type='mmpretrain.ClsDataPreprocessor', mean=[127.5] * channels, std=[60.] * channels,
                        to_rgb=False)
    distiller = build(student=dict(timm='resnet10t', in_chans=channels, num_classes=10),
                      teacher=dict(timm='resnet10t', in_chans=channels, num_classes=10),
                      data_preprocessor=preprocessor, terms=KD)
    assert distiller.teachers[''](torch.rand(2, channels, 32, 32))['logits'].shape == (2, 10)


def test_a_teacher_of_other_channels_is_an_error_of_one_line(build):
    with pytest.raises(UserError, match='the teacher cannot forward images of 32×32 with 3 channels'):
        build(student=resnet(), teacher=dict(timm='resnet10t', in_chans=1, num_classes=10), terms=KD)
    with pytest.raises(UserError, match='the student cannot forward images of 32×32 with 3 channels'):
        build(student=dict(timm='vit_tiny_patch16_224', img_size=64, num_classes=10), teacher=resnet(), terms=KD)


def raw(to_rgb: bool) -> dict:
    """A small ConvNeXt whose preprocessor does not normalise."""
    return dict(classifier(8), data_preprocessor=dict(type='mmpretrain.ClsDataPreprocessor', to_rgb=to_rgb))


@pytest.mark.parametrize('to_rgb', [True, False])
def test_a_student_that_does_not_normalise_hands_its_teacher_normalised_images(build, batch, to_rgb):
    distiller = build(student=raw(to_rgb), terms=KD)
    teacher = distiller.teachers[''].model
    own = teacher(**teacher.data_preprocessor(batch, False), mode='tensor')
    data = distiller.data_preprocessor(batch, True)
    assert data['inputs'].max() > 200  # raw pixels
    torch.testing.assert_close(distiller.teachers[''](data['inputs'])['logits'], own, rtol=1e-4, atol=1e-5)


def test_a_teacher_that_does_not_normalise_gets_pixels(build, batch):
    distiller = build(teacher=raw(False), terms=KD)
    data = distiller.data_preprocessor(batch, True)
    pixels = torch.stack(batch['inputs']).float()
    torch.testing.assert_close(distiller.teachers[''].adapt(data['inputs']), pixels, rtol=1e-4, atol=1e-3)


def test_a_teacher_that_says_nothing_gets_what_the_student_gets(build):
    teacher = {key: value for key, value in classifier(8).items() if key != 'data_preprocessor'}
    assert teacher_normalisation(MODELS.build(dict(teacher)), teacher) is None
    images = torch.rand(2, 3, 32, 32)
    assert build(teacher=teacher, terms=KD).teachers[''].adapt(images) is images
