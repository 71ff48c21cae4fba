"""Gradients: norms by separate backward passes, and terms that could train nothing, refused in the first step."""
import copy
from functools import partial

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from mmkd.distillers.gradients import GradientMeter, gradient_norms, total
from mmkd.utils import UserError

from .conftest import resnet
from .test_distiller import optimizer_of


def test_closed_form():
    x, w, frozen = torch.randn(5), nn.Parameter(torch.randn(5)), nn.Parameter(torch.randn(5), requires_grad=False)
    unused = nn.Parameter(torch.ones(3))
    losses = dict(linear=3 * w @ x, square=w.square().sum(), constant=torch.tensor(2.), other=unused.sum())
    norms = gradient_norms(losses, [w, frozen], scale=1024.)
    expected = dict(linear=3 * x.norm(), square=2 * w.norm(), constant=torch.tensor(0.), other=torch.tensor(0.))
    for name, value in expected.items():
        torch.testing.assert_close(norms[name], value.detach())
        assert not norms[name].requires_grad
    assert w.grad is None
    sum(losses.values()).backward()  # the graph is still there
    torch.testing.assert_close(w.grad, 3 * x + 2 * w.detach())


def test_small_half_precision_gradients_need_the_scale():
    w = nn.Parameter(torch.ones(4))
    loss = (w.half() * 1e-4).sum().float() * 1e-5
    assert gradient_norms(dict(loss=loss), [w])['loss'] == 0
    torch.testing.assert_close(gradient_norms(dict(loss=loss), [w], 2.**16)['loss'], torch.tensor(2e-9), rtol=1e-2,
                               atol=0)
    assert not gradient_norms(dict(loss=loss * 1e15), [w], 2.**16)['loss'].isfinite()


def test_total_is_what_mmengine_adds_up(build):
    losses = dict(loss_cls=torch.tensor([1., 3.]), loss_bbox=[torch.tensor(1.), torch.tensor([2., 4.])],
                  accuracy=torch.tensor(50.))
    assert total(losses) == build().parse_losses(losses)[0] == 6
    assert total(dict(accuracy=torch.tensor(50.))) is None


@pytest.mark.parametrize('dtype', [None, torch.bfloat16])
def test_the_distiller_measures_when_asked_and_trains_alike(build, batch, dtype):
    torch.manual_seed(0)
    measured = build(task_weight=0.5)
    plain = copy.deepcopy(measured)
    inputs = measured.data_preprocessor(batch, True)
    separate = {}
    with torch.autocast('cpu', dtype, enabled=dtype is not None):
        for name, key in (('task', 'task_loss'), ('nkd', 'loss_nkd'), ('fd', 'loss_fd')):
            model = copy.deepcopy(plain)
            loss = model(**inputs, mode='loss')[key]
            with torch.autocast('cpu', enabled=False):
                loss.backward()
            squares = [p.grad.square().sum() for p in model.student.parameters() if p.grad is not None]
            separate[name] = torch.stack(squares).sum().sqrt()
        measured.gradients.request()
        losses = measured(**inputs, mode='loss')
    assert set(losses) == {'task_loss', 'loss_nkd', 'loss_fd'}
    torch.testing.assert_close(measured.gradients.norms, separate, rtol=1e-4, atol=1e-7)
    assert not measured.gradients.requested and all(p.grad is None for p in measured.parameters())
    for model in (measured, plain):
        if model is measured:
            model.gradients.request()
        model.train_step(batch, optimizer_of(model))
    assert all(torch.equal(value, plain.state_dict()[name]) for name, value in measured.state_dict().items())


def test_checkpointing(build, batch):
    for reentrant in (False, True):
        distiller = build()
        stage = distiller.student.backbone.stages[1]
        forward = stage.forward
        stage.forward = lambda x, forward=forward, reentrant=reentrant: checkpoint(forward, x, use_reentrant=reentrant)
        distiller.gradients.request()
        distiller.train_step(batch, optimizer_of(distiller))
        assert ('use_reentrant' in distiller.gradients.problem) == reentrant
        assert bool(distiller.gradients.norms) != reentrant


def test_nothing_is_computed_in_ordinary_steps(build, batch, monkeypatch):
    distiller = build()
    monkeypatch.setattr(torch.autograd, 'grad', None)
    distiller.train_step(batch, optimizer_of(distiller))
    assert distiller.gradients.norms == {}


def test_a_request_waits_for_the_training_step():
    meter = GradientMeter()
    meter.request()
    with meter.suspended():
        assert not meter.requested
    assert meter.requested
    meter = GradientMeter()
    with meter.suspended():
        pass
    assert not meter.requested


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
