"""The meta-gradient against automatic differentiation through the unrolled step."""
import copy

import pytest
import torch
from torch import Tensor
from torch.func import functional_call

from mmkd.engine.meta_gradient import meta_gradient

from .pair import Pair

LR = 0.3


def batches() -> tuple[dict, dict]:
    generator = torch.Generator().manual_seed(1)
    return tuple(dict(x=torch.randn(6, 3, 15, 15, generator=generator, dtype=torch.float64),
                      label=torch.arange(6) % 4) for _ in range(2))


def unrolled(model: Pair, training: dict, held_out: dict) -> Tensor:
    """The exact gradient."""
    model = copy.deepcopy(model)
    alpha = model.distpro.alpha.clone().requires_grad_()
    names, student = zip(*model.student.named_parameters())
    losses = functional_call(model, {'distpro.alpha': alpha}, (), dict(training, mode='loss'))
    slopes = torch.autograd.grad(losses['task_loss'] + losses['loss_distpro'], student, create_graph=True)
    stepped = {name: value - LR * slope for name, value, slope in zip(names, student, slopes)}
    loss = functional_call(model.student, stepped, (), dict(held_out, mode='loss'))['loss']
    return torch.autograd.grad(loss, alpha)[0]


@pytest.fixture
def pair() -> Pair:
    model = Pair().double().train()
    model.distpro.alpha.copy_(torch.tensor([0.3, -1., 2., 0.5]))
    return model


def test_is_that_of_the_unrolled_step(pair):
    exact = unrolled(pair, *batches())
    assert exact.abs().min() > 1e-7
    torch.testing.assert_close(meta_gradient(pair, 'distpro.alpha', *batches(), LR, 1e-4), exact, rtol=1e-6, atol=0)


def test_error_is_quadratic_in_the_radius(pair):
    exact = unrolled(pair, *batches())
    coarse, fine = ((meta_gradient(pair, 'distpro.alpha', *batches(), LR, radius) - exact).norm()
                    for radius in (1e-2, 1e-3))
    assert coarse < 1e-3 * exact.norm() and coarse / fine == pytest.approx(100, rel=0.05)


def test_descent_helps_the_held_out_images(pair):
    """A small step against the gradient lowers the held-out loss after the virtual step, by as much as it says."""
    training, held_out = batches()

    def after_virtual_step() -> Tensor:
        model = copy.deepcopy(pair)
        sum(model(**training, mode='loss').values()).backward()
        with torch.no_grad():
            for parameter in model.student.parameters():
                parameter -= LR * parameter.grad
        return model.student(**held_out, mode='loss')['loss'].detach()

    gradient = meta_gradient(pair, 'distpro.alpha', training, held_out, LR, 1e-4)
    before = after_virtual_step()
    step = 1e-3 / gradient.norm()
    pair.distpro.alpha -= step * gradient
    change = after_virtual_step() - before
    torch.testing.assert_close(change, -step * gradient.square().sum(), rtol=1e-2, atol=0)


def test_nothing_changes():
    model = Pair(drop=0.5).double().train()
    before, random = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    first = meta_gradient(model, 'distpro.alpha', *batches(), LR)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random) and not model.distpro.alpha.requires_grad
    assert all(parameter.grad is None for parameter in model.parameters())
    # both ends of the finite difference drop the same values
    torch.testing.assert_close(meta_gradient(model, 'distpro.alpha', *batches(), LR, 1e-4), first, rtol=0.1, atol=0)


def test_flat_held_out_loss(pair):
    """Where the student's weights do not matter, neither do those of the pathways."""
    torch.nn.init.zeros_(pair.student.head.weight)
    pair.student.head.requires_grad_(False)
    assert (meta_gradient(pair, 'distpro.alpha', *batches(), LR) == 0).all()
