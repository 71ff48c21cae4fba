"""The student's map behind a trained connector."""
import pytest
import torch
from mmengine.config import Config

from mmkd.analysis.connected import ConnectedMaps, trained_distiller
from mmkd.utils import UserError


@pytest.fixture
def distiller(build):
    return build().eval()


def test_an_fd_term_gives_what_its_loss_gets(distiller):
    maps = ConnectedMaps(distiller)
    images = torch.rand(2, 3, 32, 32)
    student, teacher = maps(images)
    assert maps.name == 'fd'
    with torch.no_grad():
        expected = distiller.terms['fd'].connectors[0](_stage2(distiller.student, images))
        assert torch.allclose(student, expected) and torch.allclose(teacher, _stage2(
            distiller.teachers['teacher'].model, images))
    assert not distiller.terms['fd'].loss._forward_pre_hooks  # the hooks are gone


def _stage2(model, images):
    read = []
    handle = model.backbone.stages[1].register_forward_hook(lambda *args: read.append(args[-1]))
    model.backbone(images)
    handle.remove()
    return read[0]


@pytest.mark.parametrize('dfm', [True, False])
def test_scalekd_gives_its_last_view_of_the_last_stage(build, recipe, dfm):
    recipe['terms'] = dict(scalekd=dict(
        loss=dict(type='mmkd.ScaleKDLoss', dfm=dfm, num_heads=2), student=['stage2', 'stage3'],
        teacher=['stage2', 'stage3']))
    recipe['teacher']['backbone'].pop('drop_path_rate')
    recipe['input_size'] = 64
    for side, stages in (('student', 3), ('teacher', 3)):
        recipe[side]['backbone']['arch'] = dict(
            depths=recipe[side]['backbone']['arch']['depths'][:stages],
            channels=recipe[side]['backbone']['arch']['channels'][:stages])
        recipe[side]['backbone']['out_indices'] = (stages - 1, )
    distiller = build().eval()
    loss, got = distiller.terms['scalekd'].loss, []
    handle = loss.projectors[-1][-1].register_forward_hook(lambda *args: got.append(args[-1]))
    student, teacher = ConnectedMaps(distiller)(torch.rand(2, 3, 64, 64))
    handle.remove()
    assert student is got[0] and student.shape == teacher.shape == (2, 32, 4, 4)


def test_terms_that_cannot_be_looked_through(build, recipe):
    with pytest.raises(UserError, match="--term expects a term of the recipe, got 'df'. Did you mean fd"):
        ConnectedMaps(build(), 'df')
    with pytest.raises(UserError, match="the term 'nkd' expects to compare one map"):
        ConnectedMaps(build().eval(), 'nkd')(torch.rand(2, 3, 32, 32))
    recipe['terms'].pop('fd')
    with pytest.raises(UserError, match='the recipe expects a term that compares maps, has nkd'):
        ConnectedMaps(build())


def test_a_training_checkpoint_brings_student_and_connector(distiller, recipe, tmp_path):
    with torch.no_grad():
        for parameter in distiller.terms.parameters():
            parameter.fill_(0.5)
    torch.save(dict(state_dict=distiller.state_dict(), meta={}), tmp_path / 'epoch_1.pth')
    loaded = trained_distiller(Config(dict(model=recipe)), str(tmp_path / 'epoch_1.pth'), 'mine')
    assert not loaded.training and all((parameter == 0.5).all() for parameter in loaded.terms.parameters())
    own = distiller.state_dict()
    assert all(torch.equal(own[name], value) for name, value in loaded.state_dict().items())


def test_no_training_checkpoint(distiller, recipe, tmp_path):
    torch.save(dict(state_dict=distiller.student.state_dict()), tmp_path / 'student.pth')
    with pytest.raises(UserError, match='mine expects a training checkpoint of this recipe, got .*missing'):
        trained_distiller(Config(dict(model=recipe)), str(tmp_path / 'student.pth'), 'mine')
    with pytest.raises(UserError, match='mine expects a distillation recipe'):
        trained_distiller(Config(dict(model=recipe['student'])), str(tmp_path / 'student.pth'), 'mine')
