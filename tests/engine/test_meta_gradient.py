"""The meta-gradient against automatic differentiation through the unrolled step."""
import copy

import pytest
import torch
from mmkd import Distiller
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

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


class Counting(nn.Module):
    """A user's loss that keeps something outside its buffers, and has a parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.calls, self.scale = 0, nn.Parameter(torch.ones(()))

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        self.calls += 1
        return self.scale * F.mse_loss(student, teacher)


def plain(*widths: int) -> nn.Sequential:
    """A model that is called with images alone."""
    torch.manual_seed(0)
    first, second = (nn.Sequential(nn.Conv2d(i, o, 3, stride=2), nn.Tanh()) for i, o in zip((3, *widths), widths))
    return nn.Sequential(first, second, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[1], 4))


def distiller(**term: object) -> Distiller:
    """A plain student and teacher, with a DistProLoss and perhaps another term."""
    terms = dict(distpro=dict(loss=dict(type='mmkd.DistProLoss'), student=['0', '1'], teacher=['0', '1']))
    if term:
        terms['other'] = dict(student='1', teacher='1', **term)
    return Distiller(plain(3, 6), plain(5, 6), terms, input_size=15).train()


def images() -> tuple[dict, dict]:
    return tuple(dict(inputs=batch['x'].float(), data_samples=batch['label']) for batch in batches())


def test_terms_that_estimate_or_count_do_so_in_training_steps_alone():
    """A search step takes three passes of the terms: none of them is one of the estimate's."""
    model = distiller(loss=Counting(), teacher_norm=dict(type='mmkd.ChannelStandardisation', steps=5))
    norm, loss, training = model.terms['other'].teacher_norms[0], model.terms['other'].loss, images()[0]
    calls, losses = loss.calls, []
    for step in range(6):
        meta_gradient(model, 'terms.distpro.loss.alpha', *images(), LR)
        assert norm.progress.tolist() == [min(step, 5), step > 4] and norm.is_estimated == (step > 4)
        losses.append(model(**training, mode='loss')['loss_other'].item())
        assert loss.calls - calls == step + 1
    alone = distiller(loss=Counting(), teacher_norm=dict(type='mmkd.ChannelStandardisation', steps=5))
    assert losses == [alone(**training, mode='loss')['loss_other'].item() for _ in range(6)]
    assert losses[3] == 0 < losses[4]


def test_weights_that_are_not_finite_are_left_to_who_watches_them():
    model = distiller(loss=Counting())
    nn.init.constant_(model.terms['other'].loss.scale, float('nan'))
    assert meta_gradient(model, 'terms.distpro.loss.alpha', *images(), LR).isnan().all()


def test_a_plain_student_takes_the_loss_that_it_trains_by():
    """Its own loss is the cross-entropy of its logits, as in a training step."""
    model, name = distiller().double(), 'terms.distpro.loss.alpha'
    model.teachers['teacher'].model.double()
    training, held_out = (batch | dict(inputs=batch['inputs'].double()) for batch in images())
    found = meta_gradient(model, name, training, held_out, LR, 1e-4)
    alpha = model.get_buffer(name).clone().requires_grad_()
    names, student = zip(*model.student.named_parameters())
    losses = functional_call(model, {name: alpha}, (), training | dict(mode='loss'))
    slopes = torch.autograd.grad(model.total(losses), student, create_graph=True)
    logits = functional_call(model.student, {key: value - LR * slope for key, value, slope in zip(
        names, student, slopes)}, held_out['inputs'])
    exact = torch.autograd.grad(F.cross_entropy(logits, held_out['data_samples']), alpha)[0]
    torch.testing.assert_close(found, exact, rtol=1e-4, atol=0)
