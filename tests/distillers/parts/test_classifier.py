"""What SRRL takes for the teacher's classifier is tried against the teacher's logits."""
import copy

import pytest
import torch

from mmkd.distillers import models
from mmkd.utils import UserError

from ..conftest import classifier, resnet

MOBILE = dict(type='mmpretrain.ImageClassifier', backbone=dict(type='mmpretrain.MobileNetV2', widen_factor=0.25),
              neck=dict(type='mmpretrain.GlobalAveragePooling'),
              head=dict(type='mmpretrain.LinearClsHead', num_classes=10, in_channels=1280))


def srrl(stage: str = 'stage4', teacher: str = '') -> dict:
    """A term with SRRL on one stage."""
    return dict(srrl=dict(loss=dict(type='mmkd.SRRLLoss'), student='stage4',
                          teacher=[f'{teacher}{stage}', f'{teacher}logits'],
                          connector=dict(type='mmkd.ConvConnector', norm=True, act=True)))


@pytest.mark.parametrize('teacher', [resnet(), classifier(16), dict(dtype='bf16', **classifier(16)),
                                     dict(timm='resnet10t', num_classes=10)])
def test_known_families(build, teacher):
    assert build(teacher=teacher, terms=srrl()).terms['srrl'].loss is not None


@pytest.mark.parametrize(('teacher', 'stage', 'message'), [
    (MOBILE, 'stage4', "ends with its classifier after the tap 'stage4', got an error from there on"),
    (resnet(), 'stage3', "after the tap 'stage3', got an error"),
    (classifier(16), 'stage3', r"after the tap 'stage3', got logits from there on that differ by .* from its own")])
def test_what_does_not_give_the_logits_is_refused(build, teacher, stage, message):
    with pytest.raises(UserError, match=message):
        build(teacher=teacher, terms=srrl(stage))


def test_a_part_that_the_guess_leaves_out_is_noticed(build, monkeypatch):
    built = models.build_without_weights

    def with_a_norm_at_the_end(spec, role):
        model = built(spec, role)
        if role == 'teacher':
            model.backbone.last_norm = torch.nn.GroupNorm(1, 64)
            model.backbone.register_forward_hook(lambda net, _, maps: (net.last_norm(maps[-1]), ))
        return model

    monkeypatch.setattr('mmkd.distillers.teacher.building.build_without_weights', with_a_norm_at_the_end)
    with pytest.raises(UserError, match='differ by'):
        build(teacher=resnet(), terms=srrl())


def test_each_of_several_teachers_has_its_own(build, batch):
    teachers = dict(wide=classifier(16), thin=resnet())
    terms = {name: srrl(teacher=f'{name}:')['srrl'] for name in teachers}
    distiller = build(teacher=teachers, terms=copy.deepcopy(terms))
    images = distiller.data_preprocessor(batch, False)['inputs']
    for name, term in distiller.terms.items():
        read = distiller.teachers[name](images)
        torch.testing.assert_close(term.loss._teacher_classifier(read['stage4']), read['logits'])


def test_margins_of_several_teachers(build):
    terms = dict(ofd=dict(loss=dict(type='mmkd.OFDLoss'), student=['stage1', 'stage2'],
                          teacher=['a:stage1', 'b:backbone.layer2.1.relu@input'],
                          connector=dict(type='mmkd.ConvConnector', norm=True)),
                 kd=dict(loss=dict(type='mmkd.KDLoss'), student='logits', teacher='a:logits'))
    torch.manual_seed(0)
    distiller = build(teacher=dict(a=resnet(), b=resnet()), terms=terms)
    first, second = (distiller.teachers[name].model.backbone for name in 'ab')
    for norm in (*first.modules(), *second.modules()):
        if isinstance(norm, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(norm.weight)
            torch.nn.init.normal_(norm.bias)
    from mmkd.distillers.parts import TeacherParts
    norms = TeacherParts(distiller.teachers, torch.rand(2, 3, 32, 32), {}).norms(terms['ofd']['teacher'])
    assert torch.equal(norms[0][0], first.layer1[1].bn2.weight)
    assert torch.equal(norms[1][1], second.layer2[1].bn2.bias)
