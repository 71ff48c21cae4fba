"""Terms that could train nothing are refused in the first step."""
from functools import partial

import pytest
import torch
from torch.utils.checkpoint import checkpoint

from mmkd.utils import UserError

from .conftest import resnet
from .test_distiller import optimizer_of

INNER = 'backbone.layer3.1.bn2'


def term(*taps: str, weight: float | dict = 1.0) -> dict:
    """A term of attention transfer at some taps."""
    return dict(at=dict(loss=dict(type='mmkd.ATLoss'), student=list(taps), teacher=list(taps), weight=weight))


def checkpointed(distiller, use_reentrant: bool):
    """Computes one block again in the backward pass."""
    block = distiller.student.backbone.layer3[1]
    block.forward = partial(checkpoint, block.forward, use_reentrant=use_reentrant)
    return distiller.train()


@pytest.mark.parametrize('taps', [(INNER, ), ('stage4', INNER)])
def test_a_tap_below_reentrant_checkpointing(build, batch, taps):
    distiller = checkpointed(build(student=resnet(), teacher=resnet(), terms=term(*taps)), True)
    with pytest.raises(UserError, match=f"term 'at' expects student taps .* but {INNER} of it runs without gradients"):
        distiller.train_step(batch, optimizer_of(distiller))


@pytest.mark.parametrize(('tap', 'reentrant'), [(INNER, False), ('stage3', True), ('backbone.layer3.1', True)])
def test_other_checkpointing_trains(build, batch, tap, reentrant):
    distiller = checkpointed(build(student=resnet(), teacher=resnet(), terms=term(tap), task_weight=0.), reentrant)
    losses = distiller(**distiller.data_preprocessor(batch, True), mode='loss')
    losses['loss_at'].backward()
    assert distiller.student.backbone.conv1.weight.grad.abs().sum() > 0


def test_frozen_stages(build, batch):
    student = resnet(frozen_stages=2)
    for taps, weight, refused in ((('stage2', ), 1., True), (('stage1', 'stage2'), dict(value=1., stop=9), True),
                                  (('stage2', 'stage3'), 1., False), (('stage2', ), 0., False)):
        distiller = build(student=student, teacher=resnet(), terms=term(*taps, weight=weight)).train()
        data = distiller.data_preprocessor(batch, True)
        if refused:
            with pytest.raises(UserError, match=f'no parameter before {", ".join(taps)} of it is trained'):
                distiller(**data, mode='loss')
        else:
            assert distiller(**data, mode='loss')['loss_at'].isfinite()
        with torch.no_grad():  # evaluation asks for no gradients
            assert distiller(**data, mode='loss')['loss_at'].isfinite()


def test_a_tap_that_a_pass_does_not_reach(build, batch):
    distiller = build(student=resnet(), teacher=resnet(), terms=term('stage2', 'stage3'))
    distiller.student.backbone.layer3.forward = None
    distiller.student.backbone.res_layers = ['layer1', 'layer2']
    distiller.student.backbone.out_indices = (1, )
    distiller.student.head.fc = torch.nn.Linear(16, 10)
    with pytest.raises(UserError, match="term 'at': the student never runs stage3 in its forward pass"):
        distiller(**distiller.data_preprocessor(batch, True), mode='loss')
