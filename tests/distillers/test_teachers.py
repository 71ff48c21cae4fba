"""Several teachers, and the student's running average as one."""
import pytest
import torch

from mmkd.utils import UserError

from .conftest import classifier
from .test_distiller import optimizer_of

TERMS = dict(
    kd=dict(loss=dict(type='mmkd.KDLoss'), student='logits', teacher='large:logits'),
    fd=dict(loss=dict(type='mmkd.FDLoss'), student='stage2', teacher='wide:stage2',
            connector=dict(type='mmkd.ConvConnector'), weight=0.5))


def test_several_teachers_with_their_own_input_sizes(build, batch):
    teachers = dict(large=dict(classifier(16, 2), input_size=64), wide=classifier(24))
    distiller = build(teacher=teachers, terms=TERMS)
    sizes = {}
    for name, teacher in distiller.teachers.items():
        teacher.model.backbone.register_forward_pre_hook(
            lambda _, x, name=name: sizes.update({name: tuple(x[0].shape[2:])}))
    log = distiller.train_step(batch, optimizer_of(distiller))
    assert sizes == dict(large=(64, 64), wide=(32, 32))
    assert set(log) == {'loss', 'task_loss', 'loss_kd', 'loss_fd'}
    assert distiller.terms['fd'].connectors[0].conv.out_channels == 48


@pytest.mark.parametrize(('teacher', 'message'), [
    (dict(large=classifier(16), other=classifier(16)), r"form 'name:tap' .*, got 'wide:stage2'"),
    (dict(large=classifier(16), wide=classifier(16), third=classifier(16)), "'third' expects a term that reads it"),
    ('slak', "teacher expects a dict, got 'slak'"),
    (dict(ema=0.1), r'ema=dict\(momentum=…\)'), (dict(ema=dict(momentum=1.5)), r'momentum in \(0, 1\), got 1.5')])
def test_bad_teachers(build, teacher, message):
    terms = TERMS if 'large' in teacher else dict(kd=dict(TERMS['kd'], teacher='logits'))
    with pytest.raises(UserError, match=message):
        build(teacher=teacher, terms=terms)


@pytest.fixture
def self_distilled(build):
    torch.manual_seed(0)
    return build(teacher=dict(ema=dict(momentum=0.1)), terms=dict(kd=dict(TERMS['kd'], teacher='logits')))


def test_the_average_follows_the_student(self_distilled, batch):
    distiller = self_distilled
    distiller.init_weights()
    distiller.train()
    teacher, student = distiller.teachers[''].model, distiller.student
    assert distiller.train_step(batch, optimizer_of(distiller))['loss_kd'].abs() < 1e-6  # it starts as the student
    before, now = teacher.head.fc.weight.clone(), student.head.fc.weight.clone()
    assert not torch.equal(before, now)
    distiller.train_step(batch, optimizer_of(distiller))
    torch.testing.assert_close(teacher.head.fc.weight, 0.9 * before + 0.1 * now)
    assert not any(module.training for module in teacher.modules())


def test_the_average_is_saved_and_not_trained(self_distilled, batch):
    distiller = self_distilled
    assert {name.split('.')[0] for name in distiller.state_dict()} == {'student', 'averages'}
    assert all(name.startswith('student.') for name, p in distiller.named_parameters() if p.requires_grad)
    distiller.eval()
    before = distiller.averages['average'].steps.clone()
    distiller(**distiller.data_preprocessor(batch, False), mode='loss')
    assert torch.equal(distiller.averages['average'].steps, before)  # only training moves it


def test_the_average_takes_in_the_statistics_of_batch_norms(build, batch):
    student = dict(
        type='mmpretrain.ImageClassifier', neck=dict(type='mmpretrain.GlobalAveragePooling'),
        backbone=dict(type='mmpretrain.ResNet', depth=18, stem_channels=4, base_channels=4),
        head=dict(type='mmpretrain.LinearClsHead', num_classes=10, in_channels=32),
        data_preprocessor=classifier(4)['data_preprocessor'])
    distiller = build(student=student, teacher=dict(ema=dict(momentum=0.1)),
                      terms=dict(kd=dict(TERMS['kd'], teacher='logits')))
    distiller.init_weights()
    distiller.train()
    teacher, student = distiller.teachers[''].model, distiller.student
    optimizer = optimizer_of(distiller)
    distiller.train_step(batch, optimizer)
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    now = {name: value.clone() for name, value in student.state_dict().items()}
    distiller.train_step(batch, optimizer)
    statistics = [name for name in now if name.endswith(('running_mean', 'running_var'))]
    assert len(statistics) > 30 and not any(torch.equal(before[name], now[name]) for name in statistics)
    for name in statistics:
        torch.testing.assert_close(teacher.state_dict()[name], 0.9 * before[name] + 0.1 * now[name])
