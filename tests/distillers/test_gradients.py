"""Norms of each loss's gradient, by separate backward passes."""
import copy

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from mmkd.distillers.gradients import GradientMeter, gradient_norms, total

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
    assert not measured.gradients.wanted and all(p.grad is None for p in measured.parameters())
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
        assert not meter.wanted
    assert meter.wanted
    meter = GradientMeter()
    with meter.suspended():
        pass
    assert not meter.wanted
