"""The teachers: compiled, ended early, several, and the student's running average as one."""
import copy

import pytest
import torch
from mmengine.optim import OptimWrapper
from torch.func import functional_call

from mmkd.utils import UserError

from .conftest import classifier, resnet
from .test_distiller import optimizer_of


@pytest.fixture
def compilations(monkeypatch) -> list:
    """The shapes of what is compiled, by a backend that runs the graph as it is."""
    seen: list = []

    def backend(graph, inputs):
        seen.extend(tuple(x.shape) for x in inputs if isinstance(x, torch.Tensor) and x.dim() == 4)
        return graph.forward

    monkeypatch.setattr(torch, 'compile', lambda function, compile=torch.compile: compile(function, backend=backend))
    torch._dynamo.reset()
    return seen


@pytest.mark.parametrize('tap', ['backbone.layer3.1.bn2', 'backbone.layer3.1.relu', 'backbone.layer3.1.relu@input',
                                 'stage4'])
def test_compiled_for_the_first_batch_and_with_the_same_taps(build, compilations, tap):
    terms = dict(at=dict(loss=dict(type='mmkd.ATLoss'), student=tap, teacher=tap))
    plain = build(student=resnet(), teacher=resnet(), terms=terms)
    distiller = build(student=resnet(), teacher=dict(compile=True, **resnet()), terms=terms)
    assert compilations == []
    distiller.teachers['teacher'].model.load_state_dict(plain.teachers['teacher'].model.state_dict())
    of_first_batch = []
    for images in torch.rand(3, 5, 3, 48, 48):
        expected = plain.teachers['teacher'](images)[tap]
        torch.testing.assert_close(distiller.teachers['teacher'](images)[tap], expected)
        of_first_batch = of_first_batch or list(compilations)
    # Five images, not the two of the dry run; nothing is compiled anew. PyTorch 2.4 leaves the stem as it is.
    assert compilations == of_first_batch and {shape[0] for shape in compilations} & {2, 5} == {5}


@pytest.mark.parametrize(('options', 'tolerance'), [
    ({}, {}), (dict(compile=True), {}), (dict(dtype='bf16'), dict(rtol=0.05, atol=0.05)),
    (dict(dtype='bf16', compile=True), dict(rtol=0.05, atol=0.05))])
def test_channels_last(build, tmp_path, compilations, options, tolerance):
    terms = dict(at=dict(loss=dict(type='mmkd.ATLoss'), student='stage4', teacher='stage4'))
    plain = build(student=resnet(), teacher=resnet(), terms=terms).teachers['teacher']
    torch.save(plain.model.state_dict(), tmp_path / 'teacher.pth')
    given = dict(resnet(), checkpoint=str(tmp_path / 'teacher.pth'))
    teacher = build(student=resnet(), teacher=dict(channels_last=True, **options, **given),
                    terms=terms).teachers['teacher']
    images = torch.rand(5, 3, 48, 48)
    expected, maps = plain(images)['stage4'], teacher(images)['stage4']
    assert maps.is_contiguous(memory_format=torch.channels_last) and expected.is_contiguous()
    torch.testing.assert_close(maps.contiguous().float(), expected, **tolerance)
    with pytest.raises(UserError, match='channels_last'):
        build(student=resnet(), teacher=dict(channels_last='yes', **resnet()), terms=terms)


def test_the_pass_ends_early_in_training(build, batch):
    distiller = build(student=resnet(), teacher=resnet(), terms=dict(
        at=dict(loss=dict(type='mmkd.ATLoss'), student='stage2', teacher='stage2')))
    runs = []
    distiller.teachers['teacher'].model.backbone.layer3.register_forward_hook(lambda *_: runs.append('layer3'))
    data = distiller.data_preprocessor(batch, True)  # images of the dry run's size
    for _ in range(2):
        assert distiller(**data, mode='loss')['loss_at'] > 0
    assert runs == []


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
    ('slak', "teacher expects 'timm:NAME', .*, got 'slak'. Did you mean slak-"),
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
    teacher, student = distiller.teachers['teacher'].model, distiller.student
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


def record_steps(distiller, batch, wrapper, passes: int) -> list[dict[str, torch.Tensor]]:
    """Trains, and returns the student's tensors after each optimizer step."""
    steps, weights = [], []
    handle = wrapper.optimizer.register_step_post_hook(lambda *_: steps.append(1))
    for _ in range(passes):
        distiller.train_step(batch, wrapper)
        if len(steps) > len(weights):
            weights.append({name: value.clone() for name, value in distiller.student.state_dict().items()})
    handle.remove()
    return weights


def averaging(build, accumulate: int):
    torch.manual_seed(0)
    student = classifier(8)
    student.update(backbone=dict(type='mmpretrain.ResNet', depth=18, stem_channels=4, base_channels=4),
                   neck=dict(type='mmpretrain.GlobalAveragePooling'))
    student['head'].update(in_channels=32)
    distiller = build(student=student, teacher=dict(ema=dict(momentum=0.1)),
                      terms=dict(kd=dict(TERMS['kd'], teacher='logits')))
    distiller = distiller.double().train()  # other storages than at the build, as on another device
    optimizer = torch.optim.SGD([p for p in distiller.parameters() if p.requires_grad], lr=0.05)
    return distiller, OptimWrapper(optimizer, accumulative_counts=accumulate)


@pytest.mark.parametrize('accumulate', [1, 4])
def test_the_average_counts_optimizer_steps(build, batch, accumulate):
    batch['inputs'] = [image.double() for image in batch['inputs']]
    distiller, wrapper = averaging(build, accumulate)
    weights = [{name: value.clone() for name, value in distiller.student.state_dict().items()}]
    weights += record_steps(distiller, batch, wrapper, 3 * accumulate)
    average = distiller.averages['average']
    for taken in (2, 3):  # the last step is taken in by the next pass, or when the state is saved
        assert average.steps == taken + 1 and len(weights) == 4
        for name, value in average.module.state_dict().items():
            want = weights[taken][name]
            if value.is_floating_point():
                want = .9**taken * weights[0][name] + sum(
                    .1 * .9**(taken - i) * weights[i][name] for i in range(1, taken + 1))
            torch.testing.assert_close(value, want, msg=name)
        distiller.state_dict()


def test_a_resumed_average_is_that_of_an_uninterrupted_run(build, batch):
    batch['inputs'] = [image.double() for image in batch['inputs']]
    whole, wrapper = averaging(build, 2)
    record_steps(whole, batch, wrapper, 4)
    saved = copy.deepcopy(dict(model=whole.state_dict(), optimizer=wrapper.state_dict()))
    resumed, other = averaging(build, 2)
    resumed.load_state_dict(saved['model'])
    other.load_state_dict(saved['optimizer'])
    record_steps(whole, batch, wrapper, 4)
    record_steps(resumed, batch, other, 4)
    assert whole.averages['average'].steps == 4
    for (name, value), other in zip(whole.state_dict().items(), resumed.state_dict().values()):
        assert torch.equal(value, other), name


def test_lent_weights_do_not_move_the_average(self_distilled, batch):
    """As in DistPro's virtual steps."""
    distiller = self_distilled.train()
    distiller.train_step(batch, optimizer_of(distiller))
    before = {name: value.clone() for name, value in distiller.averages.state_dict().items()}
    lent = {name: torch.zeros_like(value) for name, value in distiller.named_parameters()}
    buffers = {name: value.clone() for name, value in distiller.named_buffers()}
    functional_call(distiller, lent | buffers, (), distiller.data_preprocessor(batch, True) | dict(mode='loss'))
    assert all(torch.equal(value, before[name]) for name, value in distiller.averages.named_parameters())
    distiller.train_step(batch, optimizer_of(distiller))
    assert distiller.averages['average'].steps == 2  # the step before it was not lost


def test_the_only_teacher_has_a_name(build):
    distiller = build()
    assert list(distiller.teachers) == ['teacher']
    assert distiller.teachers[''] is distiller.teachers['teacher']  # as it was called before
    with pytest.raises(KeyError):
        distiller.teachers['other']


@pytest.mark.parametrize(('teacher', 'name'), [(classifier(16), 'teacher'), (dict(big=classifier(16)), 'big')])
def test_a_tap_need_not_name_the_only_teacher(build, teacher, name):
    terms = dict(a=dict(TERMS['kd'], teacher='logits'), b=dict(TERMS['kd'], teacher=f'{name}:logits'))
    distiller = build(teacher=teacher, terms=terms)
    assert list(distiller.teachers) == [name]
    assert distiller.tapped_shapes['teacher'] == {'logits': (2, 10), f'{name}:logits': (2, 10)}


def test_several_averages_are_saved_by_their_names(build):
    fast, slow = dict(ema=dict(momentum=0.1)), dict(ema=dict(momentum=0.01))
    terms = {name: dict(TERMS['kd'], teacher=f'{name}:logits') for name in ('teacher', 'average')}
    distiller = build(teacher=dict(teacher=fast, average=slow), terms=terms)
    assert {name: average.momentum for name, average in distiller.averages.items()} == dict(teacher=0.1, average=0.01)
