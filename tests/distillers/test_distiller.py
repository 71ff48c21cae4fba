"""The guarantees of the distiller, one by one."""
import copy
import logging

import pytest
import torch
import torch.nn.functional as F
from mmengine.model import ExponentialMovingAverage
from mmengine.optim import OptimWrapper

from mmkd.registry import MODELS
from mmkd.utils import UserError

from .conftest import classifier


def optimizer_of(model):
    return OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1))


def teacher_of(distiller):
    return distiller.teachers['teacher'].model


def test_one_forward_each_and_logged_by_name(build, batch):
    distiller = build()
    runs = []
    distiller.student.backbone.register_forward_hook(lambda *_: runs.append('student'))
    teacher_of(distiller).backbone.register_forward_hook(lambda *_: runs.append('teacher'))
    log = distiller.train_step(batch, optimizer_of(distiller))
    assert sorted(runs) == ['student', 'teacher']
    assert set(log) == {'loss', 'task_loss', 'loss_nkd', 'loss_fd'}
    torch.testing.assert_close(log['loss'], log['task_loss'] + log['loss_nkd'] + log['loss_fd'])


def test_losses_are_those_of_the_tapped_tensors(build, batch):
    distiller = build(task_weight=0.25).eval()
    data = distiller.data_preprocessor(batch, True)
    losses = distiller(**data, mode='loss')
    student, teacher = distiller.student(data['inputs']), teacher_of(distiller)(data['inputs'])
    labels = torch.arange(4)
    torch.testing.assert_close(losses['task_loss'], 0.25 * F.cross_entropy(student, labels))
    nkd = distiller.terms['nkd'].loss(student, teacher, labels)
    torch.testing.assert_close(losses['loss_nkd'], nkd)


def test_every_trainable_parameter_gets_a_gradient(build, batch):
    for weight in (1.0, 0.0):
        distiller = build(task_weight=weight)
        data = distiller.data_preprocessor(batch, True)
        loss, _ = distiller.parse_losses(distiller(**data, mode='loss'))
        loss.backward()
        without = [name for name, p in distiller.named_parameters() if p.requires_grad and p.grad is None]
        # The backbone's layer scales and the rest all take part.
        assert without == []


def test_teacher_is_frozen_and_in_eval_whatever_train_is_called(build, batch):
    distiller = build().train()
    distiller.train(True)
    teacher = teacher_of(distiller)
    assert not any(module.training for module in teacher.modules())
    assert not any(p.requires_grad for p in teacher.parameters())
    before = copy.deepcopy(teacher.state_dict())
    inputs = distiller.data_preprocessor(batch, True)['inputs']
    first, second = distiller.teachers['teacher'](inputs), distiller.teachers['teacher'](inputs)
    assert torch.equal(first['logits'], second['logits'])  # drop path 0.5 would make them differ
    assert not first['logits'].requires_grad
    distiller.train_step(batch, optimizer_of(distiller))
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())


def test_teacher_is_in_no_state_dict_optimizer_or_ema_copy(build):
    distiller = build()
    names = set(distiller.state_dict())
    assert all(name.startswith(('student.', 'terms.fd.connectors.')) for name in names)
    teacher_parameters = {id(p) for p in teacher_of(distiller).parameters()}
    assert not teacher_parameters & {id(p) for p in distiller.parameters()}
    ema = ExponentialMovingAverage(distiller)
    assert ema.module.teachers['teacher'] is distiller.teachers['teacher']
    assert len(list(ema.module.parameters())) == len(list(distiller.parameters()))


def test_an_ema_copy_reads_its_own_taps(build, batch):
    distiller = build()
    copied = copy.deepcopy(distiller)
    inputs = distiller.data_preprocessor(batch, False)['inputs']
    _, read = copied._student_taps.read(copied.student, inputs)
    assert set(read) == {'logits', 'stage2'}
    assert distiller._student_taps.read(copied.student, inputs)[1] == {}


def test_initialisation_leaves_the_teacher_and_a_loaded_student_alone(build, tmp_path):
    path = tmp_path / 'student.pth'
    torch.save(dict(state_dict=MODELS.build(classifier(8)).state_dict()), path)
    distiller = build(student=dict(checkpoint=str(path), **classifier(8)))
    before = copy.deepcopy({**distiller.student.state_dict(), **teacher_of(distiller).state_dict()})
    distiller.init_weights()
    after = {**distiller.student.state_dict(), **teacher_of(distiller).state_dict()}
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_mixup_is_seen_by_both(build, batch):
    student = classifier(8)
    student['train_cfg'] = dict(augments=[dict(type='mmpretrain.Mixup', alpha=0.8)])
    distiller = build(student=student)
    seen = {}
    distiller.student.backbone.register_forward_pre_hook(lambda _, x: seen.update(student=x[0]))
    teacher_of(distiller).backbone.register_forward_pre_hook(lambda _, x: seen.update(teacher=x[0]))
    data = distiller.data_preprocessor(batch, True)
    distiller(**data, mode='loss')
    assert data['data_samples'][0].gt_score.max() < 1
    assert torch.equal(seen['student'], seen['teacher'])


def test_terms_and_student_train(build, batch):
    distiller = build()
    before = copy.deepcopy(distiller.state_dict())
    distiller.train_step(batch, optimizer_of(distiller))
    changed = [name for name, value in distiller.state_dict().items() if not torch.equal(value, before[name])]
    assert 'terms.fd.connectors.0.conv.weight' in changed and 'student.head.fc.weight' in changed


def test_several_taps_get_a_connector_each(build, batch):
    fd = dict(loss=dict(type='mmkd.FDLoss'), student=['stage1', 'stage2'], teacher=['stage1', 'stage2'],
              connector=dict(type='mmkd.ConvConnector'))
    distiller = build(terms=dict(fd=fd))
    shapes = [tuple(connector.conv.weight.shape[:2]) for connector in distiller.terms['fd'].connectors]
    assert shapes == [(16, 8), (32, 16)]
    assert distiller.train_step(batch, optimizer_of(distiller))['loss_fd'].isfinite()


def test_prediction_is_the_students(build, batch):
    distiller = build().eval()
    data = distiller.data_preprocessor(batch, False)
    mine = distiller(**data, mode='predict')
    student = distiller.student(**data, mode='predict')
    assert torch.equal(torch.stack([s.pred_score for s in mine]), torch.stack([s.pred_score for s in student]))


def test_a_stated_preprocessor_counts_for_a_module_that_has_its_own(build, batch):
    """As it does for a student by config: what a method mixes would be lost otherwise."""
    student = build().student
    stated = dict(mean=[0.] * 3, std=[255.] * 3, batch_augments=dict(augments=dict(type='Mixup', alpha=1.0)),
                  num_classes=10)
    distiller = build(student=student, data_preprocessor=stated)
    assert distiller.data_preprocessor(batch, False)['inputs'].max() <= 1
    assert distiller.data_preprocessor.batch_augments is not None
    assert student.data_preprocessor.batch_augments is None and student.data_preprocessor.mean.max() == 120
    assert build(student=student).data_preprocessor is student.data_preprocessor


def test_losses_are_computed_in_fp32_under_autocast(build, batch):
    distiller = build()
    data = distiller.data_preprocessor(batch, True)
    with torch.autocast('cpu', torch.bfloat16):
        losses = distiller(**data, mode='loss')
    assert losses['loss_nkd'].dtype == losses['loss_fd'].dtype == torch.float32


def test_teacher_precision_and_compilation_change_little(build, batch):
    plain = build()
    inputs = plain.data_preprocessor(batch, False)['inputs']
    expected = plain.teachers['teacher'](inputs)['logits']
    for options, tolerance in ((dict(dtype='bf16'), 0.05), (dict(compile=dict(backend='aot_eager')), 1e-4)):
        other = build(teacher=dict(**classifier(16, 2, drop_path_rate=0.5), **options))
        teacher_of(other).load_state_dict(teacher_of(plain).state_dict())
        torch.testing.assert_close(other.teachers['teacher'](inputs)['logits'].float(), expected, rtol=tolerance,
                                   atol=tolerance)


@pytest.mark.parametrize(('changes', 'message'), [
    (dict(terms=dict(kd=dict(loss=dict(type='mmkd.KDLos'), student='logits', teacher='logits'))),
     r"got 'mmkd.KDLos'. Did you mean mmkd.KDLoss"),
    (dict(terms=dict(kd=dict(loss=dict(type='mmkd.KDLoss', tau=2), student='logits', teacher='logits'))),
     "KDLoss expects arguments that it has, got 'tau'. Valid: ignore_index, temperature"),
    (dict(terms=dict(kd=dict(loss=dict(type='mmkd.KDLoss'), student='logit', teacher='logits'))),
     r"no tap 'logit'. Did you mean logits"),
    (dict(terms=dict(kd=dict(loss=dict(type='mmkd.KDLoss'), student='logits', teacher='backbone.stages.7'))),
     r"no tap 'backbone.stages.7'. Did you mean backbone.stages"),
    (dict(terms=dict(kd=dict(loss=dict(type='mmkd.KDLoss')))), 'expects a dict of loss, student, teacher'),
    (dict(terms={}), 'at least one term'),
    (dict(teacher=classifier(16, classes=7)), r'\(2, 10\) from the student and \(2, 7\) from the teacher'),
    (dict(terms=dict(fd=dict(loss=dict(type='mmkd.FDLoss'), student='stage1', teacher='stage1'))),
     r"term 'fd' does not fit its taps \(student stage1: \(2, 8, 8, 8\); teacher stage1: \(2, 16, 8, 8\)\)"),
    (dict(teacher=dict(arch='tiny')), 'teacher expects a model dict'),
    (dict(teacher=dict(timm='resnet999')), "timm model, got 'resnet999'. Did you mean resnet"),
    (dict(teacher=dict(config='convnest/convnest-tinny_32xb128_in1k.py')), 'expects an existing file'),
    (dict(teacher=dict(dtype='int8', **classifier(16))), 'fp32, fp16, bf16'),
])
def test_bad_recipes(build, changes, message):
    with pytest.raises(UserError, match=message):
        build(**changes)


def test_a_random_teacher_is_warned_of(build, caplog, recipe):
    from mmengine.logging import MMLogger
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    with caplog.at_level(logging.WARNING):
        build()
    assert 'The teacher has no checkpoint' in caplog.text


def test_a_nested_timm_student_round_trips(build, batch, tmp_path):
    pytest.importorskip('timm')
    timm_model = dict(timm='resnet10t', num_classes=10, loss=dict(type='mmpretrain.CrossEntropyLoss'))
    terms = dict(kd=dict(loss=dict(type='mmkd.KDLoss'), student='logits', teacher='logits'),
                 fd=dict(loss=dict(type='mmkd.FDLoss'), student='stage4', teacher='stage4',
                         connector=dict(type='mmkd.ConvConnector')))
    distiller, other = (build(student=timm_model, terms=terms) for _ in range(2))
    assert distiller.train_step(batch, optimizer_of(distiller))['loss_kd'].isfinite()
    names = {name.split('.')[0] + '.' + name.split('.')[1] for name in distiller.state_dict()}
    assert names == {'student.model', 'terms.fd'}
    torch.save(distiller.state_dict(), tmp_path / 'training.pth')
    other.load_state_dict(torch.load(tmp_path / 'training.pth', weights_only=True))  # strict
    inputs = distiller.data_preprocessor(batch, False)['inputs']
    assert torch.equal(distiller.eval()(inputs), other.eval()(inputs))
    averaged = ExponentialMovingAverage(distiller).module
    assert averaged.state_dict().keys() == distiller.state_dict().keys()


def test_a_two_stage_detector_by_its_config(build):
    pytest.importorskip('mmdet')
    detector = dict(config='quickstart/mask-rcnn_convnest-mini_digits.py')
    fd = dict(loss=dict(type='mmkd.FDLoss'), student='stage2', teacher='stage2')
    distiller = build(student=detector, teacher=detector, input_size=64, terms=dict(fd=fd))
    assert distiller.tapped_shapes['teacher'] == dict(stage2=(2, 32, 8, 8))


@pytest.mark.parametrize('weight', [float('nan'), float('inf'), -1, None, '1', True])
def test_a_task_weight_that_is_none(build, weight):
    with pytest.raises(UserError, match='Distiller expects task_weight to be a finite number( of at least 0)?, got'):
        build(task_weight=weight)


@pytest.mark.parametrize('term', [
    dict(loss=dict(type='mmkd.KDLoss'), student='logits', teacher='logits'),
    dict(loss=dict(type='mmkd.FDLoss'), student='stage2', teacher='stage2', connector=dict(type='mmkd.ConvConnector')),
    dict(loss=dict(type='mmkd.ReviewKDLoss'), connector=dict(type='mmkd.AttentionFusionConnector'),
         student=['stage1', 'stage2'], teacher=['stage1', 'stage2'])], ids=['logits', 'one', 'several'])
def test_a_student_begins_as_it_does_alone(build, recipe, term):
    """A seed gives the same first weights under every method: gains are paired by it."""
    torch.manual_seed(3)
    alone = MODELS.build(recipe['student'])
    alone.init_weights()
    drawn = torch.rand(1)
    torch.manual_seed(3)
    distiller = build(terms=dict(own=term))
    distiller.init_weights()
    assert torch.equal(drawn, torch.rand(1))
    own = distiller.student.state_dict()
    assert own.keys() == alone.state_dict().keys()
    assert all(torch.equal(own[name], value) for name, value in alone.state_dict().items())
    first = [value.clone() for value in distiller.terms.state_dict().values()]
    torch.manual_seed(4)
    other = build(terms=dict(own=term))
    other.init_weights()  # another seed gives other connectors
    second = other.terms.state_dict().values()
    assert not first or any(not torch.equal(*pair) for pair in zip(first, second, strict=True))
