"""The keys of a model in a recipe, and the init_cfg of a distiller."""
import pytest
import torch
from mmengine.registry import init_default_scope

from mmkd.distillers import Distiller
from mmkd.distillers.models import build_model, read_spec
from mmkd.utils import UserError

from .conftest import classifier

SPEC = dict(timm='resnet10t', num_classes=10)


def distiller(init_cfg: dict | list | None = None, **student: str) -> Distiller:
    init_default_scope('mmpretrain')
    model = Distiller(
        student=SPEC | student, teacher=SPEC, input_size=32, init_cfg=init_cfg,
        terms=dict(kd=dict(loss=dict(type='mmkd.KDLoss'), student='logits', teacher='logits')))
    model.init_weights()
    return model


def test_weights_of_a_distiller_and_of_a_student(tmp_path):
    trained = distiller()
    torch.save(dict(state_dict=trained.state_dict()), tmp_path / 'distiller.pth')
    torch.save(dict(state_dict={name.removeprefix('student.model.'): value for name, value
                                in trained.state_dict().items()}), tmp_path / 'student.pth')
    for name in ('distiller', 'student'):
        try:
            model = distiller(dict(type='Pretrained', checkpoint=str(tmp_path / f'{name}.pth')))
        except UserError as error:
            raise AssertionError(name) from error
        assert all(torch.equal(value, trained.state_dict()[key]) for key, value in model.state_dict().items()), name


def test_a_file_that_the_model_itself_is_told_is_read(tmp_path):
    """``pretrained='FILE'`` of mmpretrain's models: for the student and for the teacher."""
    spec = classifier(8, classes=10)
    model = build_model(read_spec(spec, 'student'), 'student')
    torch.save(dict(state_dict={name: torch.full_like(value, 0.5) for name, value in model.state_dict().items()}),
               tmp_path / 'half.pth')
    spec = spec | dict(pretrained=str(tmp_path / 'half.pth'))
    terms = dict(kd=dict(loss=dict(type='mmkd.KDLoss'), student='logits', teacher='logits'))
    both = Distiller(student=dict(spec), teacher=dict(spec), input_size=32, terms=terms)
    both.init_weights()
    for model in (both.student, both.teachers['teacher'].model):
        assert all((value == 0.5).all() for value in model.parameters())


def test_weights_of_another_model_are_refused(tmp_path):
    torch.save(dict(state_dict={'other.weight': torch.ones(3)}), tmp_path / 'other.pth')
    with pytest.raises(UserError, match='Distiller from .*other.pth: 0 of .* tensors matched'):
        distiller(dict(type='Pretrained', checkpoint=str(tmp_path / 'other.pth')))


def test_other_initialisers_leave_a_loaded_student_alone(tmp_path):
    zero = [dict(type='Constant', val=0.25, layer='Linear')]
    state = distiller(zero).state_dict()
    assert all((value == 0.25).all() for name, value in state.items() if name.endswith('fc.weight'))
    torch.save(dict(state_dict=distiller().student.state_dict()), tmp_path / 'student.pth')
    model = distiller(zero, checkpoint=str(tmp_path / 'student.pth'))
    assert not any((value == 0.25).all() for name, value in model.state_dict().items() if name.endswith('fc.weight'))


@pytest.mark.parametrize(('spec', 'message'), [
    (dict(confg='convnest/convnest-tiny_32xb128_in1k.py'), "got {.*}. Did you mean config by 'confg'"),
    (dict(SPEC, checkpont='x.pth'), "that its TimmClassifier has, got 'checkpont'. Did you mean checkpoint"),
    (dict(SPEC, drop_path_rat=0.1), "that its TimmClassifier has, got 'drop_path_rat'. Did you mean drop_path_rate"),
    (dict(classifier(8), checkpont='x.pth'), "that its ImageClassifier has, got 'checkpont'. Did you mean checkpoint"),
    (dict(classifier(8), trian_cfg={}), "that its ImageClassifier has, got 'trian_cfg'. Did you mean train_cfg"),
    (dict(config='convnest/convnest-tiny_32xb128_in1k.py', optoins={}), "got also 'optoins'. Did you mean options"),
    (dict(config='convnest/convnest-tiny_32xb128_in1k.py', num_classes=7), 'Arguments of the model go into options')])
def test_misspelt_keys_of_a_model(spec, message):
    for role in ('student', 'teacher', "teacher 'big'"):
        with pytest.raises(UserError, match=f'^{role} expects .*{message}'):
            build_model(read_spec(spec, role), role)


def test_misspelt_keys_of_a_teacher(build):
    with pytest.raises(UserError, match="^teacher expects .*got 'dtpye'. Did you mean dtype"):
        build(teacher=dict(classifier(8), dtpye='bf16'))
    with pytest.raises(UserError, match="^teacher 'big' expects .*got 'input_sise'. Did you mean input_size"):
        build(teacher=dict(big=dict(SPEC, input_sise=64)))
    with pytest.raises(UserError, match="got 'momentm' in it. Did you mean momentum"):
        build(teacher=dict(ema=dict(momentm=0.1)),
              terms=dict(kd=dict(loss=dict(type='mmkd.KDLoss'), student='logits', teacher='logits')))
