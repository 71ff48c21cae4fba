"""Predicting with a distiller: from a student's file, and without its teacher's."""
import pytest
import torch
from mmengine.runner import load_checkpoint

from mmkd.utils import UserError

from .conftest import classifier, resnet

FILE = dict(classifier(16, 2), checkpoint='none.pth')
OFD = dict(ofd=dict(loss=dict(type='mmkd.OFDLoss'), student='stage2', teacher='backbone.layer2.1.relu@input',
                    connector=dict(type='mmkd.ConvConnector')))
CASES = pytest.mark.parametrize(('model', 'terms'), [(classifier(16, 2), {}), (resnet(), dict(terms=OFD))],
                                ids=['logits', 'norms'])


@pytest.fixture
def student(build, tmp_path):
    """A distiller with weights of its own, and its published student."""
    torch.manual_seed(1)
    distiller = build()
    torch.save(dict(state_dict=distiller.student.state_dict(), meta={}), tmp_path / 'student.pth')
    return distiller, str(tmp_path / 'student.pth')


def same(one, other) -> bool:
    ours, theirs = one.student.state_dict(), other.student.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(value, theirs[name]) for name, value in ours.items())


def test_a_students_file_is_loaded_and_no_teacher_is_read(build, student, capsys):
    before, file = student
    distiller = build(teacher=FILE)
    terms = {name: value.clone() for name, value in distiller.terms.state_dict().items()}
    assert not same(before, distiller)
    load_checkpoint(distiller, file)
    assert same(before, distiller) and 'do not match' not in capsys.readouterr().out
    assert all(torch.equal(value, terms[name]) for name, value in distiller.terms.state_dict().items())
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(distiller.eval()(images), before.eval()(images))


def test_also_strictly_and_with_a_wrapped_timm_student(build):
    model = dict(type='mmpretrain.TimmClassifier', model_name='resnet10t', num_classes=10)
    one, other = (build(student=model, terms=dict(kd=dict(
        loss=dict(type='mmkd.KDLoss'), student='logits', teacher='logits'))) for _ in range(2))
    published = {name.removeprefix('model.'): value for name, value in one.student.state_dict().items()}
    other.load_state_dict(published, strict=True)
    assert same(one, other) and 'conv1.0.weight' in published


def test_a_distillers_file_is_left_alone_and_one_of_nobody_refused(build):
    one, other = build(), build()
    other.load_state_dict(one.state_dict())
    assert same(one, other)
    with pytest.raises(RuntimeError, match='terms.fd'):  # a distiller's file that lacks something
        other.load_state_dict({name: value for name, value in one.state_dict().items() if 'terms' not in name})
    with pytest.raises(UserError, match='expects weights of its student.* tensors matched; missing'):
        other.load_state_dict(build(student=resnet()).student.state_dict(), strict=False)


@CASES
def test_training_without_the_teachers_file_is_an_error(build, batch, model, terms):
    distiller = build(teacher=dict(model, checkpoint='none.pth'), **terms)
    for use in (distiller.init_weights, lambda: distiller.teachers[''].model,
                lambda: distiller(**distiller.data_preprocessor(batch, True), mode='loss')):
        with pytest.raises(UserError, match='expects an existing file, got none.pth'):
            use()


@CASES
def test_a_teachers_file_is_loaded_strictly_before_training(build, tmp_path, model, terms):
    expected = build(teacher=model, **terms).teachers[''].model.state_dict()
    torch.save(expected, tmp_path / 'teacher.pth')
    distiller = build(teacher=dict(model, checkpoint=str(tmp_path / 'teacher.pth')), **terms)
    distiller.init_weights()
    teacher = distiller.teachers[''].model
    assert all(torch.equal(value, expected[name]) for name, value in teacher.state_dict().items())
    assert not any(module.training for module in teacher.modules())
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    del expected['head.fc.bias']
    torch.save(expected, tmp_path / 'teacher.pth')
    distiller = build(teacher=dict(model, checkpoint=str(tmp_path / 'teacher.pth')), **terms)
    with pytest.raises(UserError, match='missing head.fc.bias'):
        distiller.init_weights()


def test_margins_are_those_of_the_loaded_norms(build, tmp_path):
    """What a loss reads of the teacher when it is built, it reads of the file."""
    teacher = build(teacher=resnet(), terms=OFD).teachers[''].model
    for name, value in teacher.named_parameters():
        if name.startswith('backbone.layer2') and 'bn' in name:
            torch.nn.init.normal_(value)
    torch.save(teacher.state_dict(), tmp_path / 'teacher.pth')
    random, loaded = (build(teacher=dict(resnet(), **kind), terms=OFD).terms['ofd'].loss.state_dict()
                      for kind in ({}, dict(checkpoint=str(tmp_path / 'teacher.pth'))))
    assert any(not torch.equal(value, random[name]) for name, value in loaded.items())
