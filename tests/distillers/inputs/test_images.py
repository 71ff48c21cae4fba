"""What goes into the models: the form of the images, the teacher's view of them, and batches without labels."""
import pytest
import torch
from mmengine.registry import MODELS
from mmpretrain.structures import DataSample

from mmkd.distillers.inputs import InputAdapter, fixed_input_size, image_channels, normalisation, teacher_normalisation
from mmkd.distillers.inputs.images import padding_of, unpadded_sizes
from mmkd.utils import UserError

from ..conftest import classifier, resnet
from ..test_distiller import optimizer_of

RGB = dict(type='mmpretrain.ClsDataPreprocessor', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375],
           to_rgb=True)
BGR = dict(type='mmpretrain.ClsDataPreprocessor', mean=[10., 20., 30.], std=[2., 3., 4.], to_rgb=False)


@pytest.mark.parametrize(('student', 'teacher'), [(RGB, BGR), (BGR, RGB), (RGB, dict(RGB, mean=[0.] * 3))])
def test_equals_the_teachers_own_preprocessing(student, teacher):
    student, teacher = MODELS.build(student), MODELS.build(teacher)
    pixels = dict(inputs=torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8))
    adapter = InputAdapter(normalisation(student), normalisation(teacher))
    torch.testing.assert_close(adapter(student(pixels)['inputs']), teacher(pixels)['inputs'], rtol=1e-5,
                               atol=1e-5)


def padded(package: str, **options) -> torch.nn.Module:
    """A preprocessor that pads to multiples of 32, and has images of 32×40 and 20×64 stacked."""
    kinds = dict(mmdet=dict(type='mmdet.DetDataPreprocessor', pad_size_divisor=32),
                 mmseg=dict(type='mmseg.SegDataPreProcessor', size_divisor=32))
    return MODELS.build(kinds[package] | dict(bgr_to_rgb=True) | options)


@pytest.mark.parametrize('package', ['mmdet', 'mmseg'])
@pytest.mark.parametrize(('mean', 'padding', 'turned'), [
    ([123.675, 116.28, 103.53], 0, True), ([120.] * 3, -2, True), (None, 7, False)])
def test_padding_is_the_teachers_own(package, mean, padding, turned):
    structures = pytest.importorskip(f'{package}.structures')
    kind = getattr(structures, dict(mmdet='DetDataSample', mmseg='SegDataSample')[package])
    images = [torch.randint(0, 255, (3, *size), dtype=torch.uint8) for size in ((32, 40), (20, 64))]
    value = {'pad_value' if package == 'mmdet' else 'pad_val': padding}
    student = padded(package, mean=[0.] * 3, std=[255.] * 3)
    own = dict(mean=mean, std=[58.395, 57.12, 57.375]) if mean else dict(mean=[0.] * 3, std=[255.] * 3)
    teacher = padded(package, bgr_to_rgb=turned, **own, **value)

    def batch() -> dict:
        samples = [kind(metainfo=dict(img_shape=tuple(image.shape[1:]))) for image in images]
        return dict(inputs=[image.clone() for image in images], data_samples=samples)

    ours, theirs = student(batch(), True), teacher(batch(), True)
    adapter = InputAdapter(normalisation(student), normalisation(teacher), padding=padding_of(teacher))
    before = ours['inputs'].clone()
    torch.testing.assert_close(adapter(**ours), theirs['inputs'], rtol=1e-5, atol=1e-5)
    assert torch.equal(ours['inputs'], before)


def test_samples_that_tell_of_no_padding():
    told = DataSample(metainfo=dict(img_shape=(3, 4, 3), batch_input_shape=(8, 8)))
    assert unpadded_sizes([told], 1) == [(3, 4)]
    for samples in (None, [], [told, DataSample()], [DataSample(metainfo=dict(img_shape=(3, 4)))] * 2, [told],
                    torch.tensor([0, 1])):
        assert unpadded_sizes(samples, 2) == []


def test_equal_normalisations_cost_nothing():
    adapter = InputAdapter(normalisation(MODELS.build(RGB)), normalisation(MODELS.build(RGB)))
    inputs = torch.rand(1, 3, 4, 4)
    assert adapter(inputs) is inputs
    assert InputAdapter(None, None)(inputs) is inputs


def test_resizing_only_where_needed():
    adapter = InputAdapter(None, None, (16, 16))
    assert adapter(torch.rand(1, 3, 32, 32)).shape[2:] == (16, 16)
    inputs = torch.rand(1, 3, 16, 16)
    assert adapter(inputs) is inputs


def test_reads_mmdet_and_mmseg_preprocessors():
    mmseg = MODELS.build(dict(type='mmseg.SegDataPreProcessor', mean=[1., 2., 3.], std=[1.] * 3, bgr_to_rgb=True))
    read = normalisation(mmseg)
    assert read['to_rgb'] is True and read['mean'].flatten().tolist() == [1, 2, 3]


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
    distiller.teachers['teacher'].model.register_forward_pre_hook(lambda _, x: seen.append(tuple(x[0].shape[2:])))
    distiller.teachers['teacher'](torch.rand(2, 3, 32, 32))
    assert seen == [(48, 48)]


def segmentor(backbone: str) -> dict:
    """A segmentor of mmseg's with a small vision transformer for 64×64."""
    return dict(
        type='mmseg.EncoderDecoder', data_preprocessor=dict(type='mmseg.SegDataPreProcessor', size=(64, 128)),
        backbone=dict(type=backbone, img_size=(64, 64), patch_size=16, embed_dims=32, num_layers=2, num_heads=2,
                      out_indices=(1, )),
        decode_head=dict(type='mmseg.FCNHead', in_channels=32, in_index=-1, channels=8, num_convs=1, num_classes=5),
        train_cfg=dict(), test_cfg=dict(mode='whole'))


@pytest.mark.parametrize(('backbone', 'size'), [('mmseg.VisionTransformer', None), ('mmseg.BEiT', (64, 64))])
def test_a_segmentor_whose_positions_are_interpolated_takes_any_size(backbone, size):
    pytest.importorskip('mmseg')
    config = segmentor(backbone)
    assert fixed_input_size(MODELS.build(config), config) == size


@pytest.mark.parametrize('channels', [1, 2, 5])
def test_models_of_other_channels(build, channels):
    preprocessor = dict(type='mmpretrain.ClsDataPreprocessor', mean=[127.5] * channels, std=[60.] * channels,
                        to_rgb=False)
    distiller = build(student=dict(timm='resnet10t', in_chans=channels, num_classes=10),
                      teacher=dict(timm='resnet10t', in_chans=channels, num_classes=10),
                      data_preprocessor=preprocessor, terms=KD)
    assert distiller.teachers['teacher'](torch.rand(2, channels, 32, 32))['logits'].shape == (2, 10)


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
    teacher = distiller.teachers['teacher'].model
    own = teacher(**teacher.data_preprocessor(batch, False), mode='tensor')
    data = distiller.data_preprocessor(batch, True)
    assert data['inputs'].max() > 200  # raw pixels
    torch.testing.assert_close(distiller.teachers['teacher'](data['inputs'])['logits'], own, rtol=1e-4, atol=1e-5)


def test_a_teacher_that_does_not_normalise_gets_pixels(build, batch):
    distiller = build(teacher=raw(False), terms=KD)
    data = distiller.data_preprocessor(batch, True)
    pixels = torch.stack(batch['inputs']).float()
    torch.testing.assert_close(distiller.teachers['teacher'].adapt(data['inputs']), pixels, rtol=1e-4, atol=1e-3)


def test_a_teacher_that_says_nothing_gets_what_the_student_gets(build):
    teacher = {key: value for key, value in classifier(8).items() if key != 'data_preprocessor'}
    assert teacher_normalisation(MODELS.build(dict(teacher)), teacher) is None
    images = torch.rand(2, 3, 32, 32)
    assert build(teacher=teacher, terms=KD).teachers['teacher'].adapt(images) is images


def unlabelled(batch: dict, kind: str) -> dict:
    """A batch of the data loader without its labels."""
    samples = dict(none=None, empty=[DataSample() for _ in batch['inputs']])[kind]
    return dict(inputs=batch['inputs'], data_samples=samples)


def terms(loss: str) -> dict:
    """A term on the logits, and one that leaves the head alone."""
    return dict(logit=dict(loss=dict(type=loss), student='logits', teacher='logits'),
                at=dict(loss=dict(type='mmkd.ATLoss'), student='stage2', teacher='stage2'))


@pytest.mark.parametrize('kind', ['none', 'empty'])
def test_terms_train_alone(build, batch, kind):
    distiller = build(task_weight=0., terms=terms('mmkd.KDLoss'))
    distiller.gradients.request()
    log = distiller.train_step(unlabelled(batch, kind), optimizer_of(distiller))
    assert set(log) == {'loss', 'task_loss', 'loss_logit', 'loss_at'} and log['task_loss'] == 0
    torch.testing.assert_close(log['loss'], log['loss_logit'] + log['loss_at'])
    assert distiller.gradients.norms['task'] == 0 < distiller.gradients.norms['logit']


def test_every_parameter_gets_a_gradient(build, batch):
    distiller = build(task_weight=0., terms=dict(at=terms('mmkd.KDLoss')['at']))
    data = distiller.data_preprocessor(unlabelled(batch, 'none'), True)
    distiller.parse_losses(distiller(**data, mode='loss'))[0].backward()
    assert [name for name, p in distiller.named_parameters() if p.grad is None] == []
    assert distiller.student.head.fc.weight.grad.abs().sum() == 0


def test_the_same_terms_as_with_labels(build, batch):
    distiller = build(task_weight=0., terms=terms('mmkd.KDLoss')).eval()
    with_labels, without = (distiller(**distiller.data_preprocessor(data, True), mode='loss')
                            for data in (batch, unlabelled(batch, 'none')))
    assert all(torch.equal(with_labels[name], without[name]) for name in ('loss_logit', 'loss_at'))


@pytest.mark.parametrize(('task_weight', 'loss', 'message'), [
    (1., 'mmkd.KDLoss', r'own loss \(task_weight=1\) expects labelled images'),
    (0., 'mmkd.NKDLoss', 'NKDLoss expects class labels, got none')])
@pytest.mark.parametrize('kind', ['none', 'empty'])
def test_what_needs_labels_says_so(build, batch, kind, task_weight, loss, message):
    distiller = build(task_weight=task_weight, terms=terms(loss))
    with pytest.raises(UserError, match=message):
        distiller.train_step(unlabelled(batch, kind), optimizer_of(distiller))


@pytest.mark.parametrize('samples', [True, False])
def test_detectors(build, samples):
    pytest.importorskip('mmdet')
    from mmkd.distillers.models import fake_samples
    detector = dict(config='quickstart/mask-rcnn_convnest-mini_digits.py')
    at = dict(loss=dict(type='mmkd.ATLoss'), student='stage2', teacher='stage2')
    distiller = build(student=detector, teacher=detector, input_size=64, task_weight=0., terms=dict(at=at)).train()
    data = fake_samples(distiller.student, 2, (64, 64)) if samples else None
    losses = distiller(torch.rand(2, 3, 64, 64), data, mode='loss')
    distiller.parse_losses(losses)[0].backward()
    assert losses['loss_at'] > 0 and all(p.grad is not None for p in distiller.parameters() if p.requires_grad)
