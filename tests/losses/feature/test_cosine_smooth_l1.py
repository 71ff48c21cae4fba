"""CosineSmoothL1Loss against the closed form."""
import pytest
import torch

from mmkd.losses import CosineSmoothL1Loss
from mmkd.utils import UserError


def closed_form(student, teacher, alpha=0.9, beta=0.1):
    cosine = (student * teacher).sum(1) / (student.square().sum(1) * teacher.square().sum(1)).sqrt()
    distance = (student - teacher).abs()
    smooth = torch.where(distance < 1, distance**2 / 2, distance - 0.5)
    return alpha * (1 - cosine).mean() + beta * smooth.mean()


@pytest.mark.parametrize('shape', [(3, 8, 5, 4), (3, 8)])
@pytest.mark.parametrize(('alpha', 'beta'), [(0.9, 0.1), (1., 0.), (0., 2.)])
def test_closed_form(shape, alpha, beta):
    student, teacher = torch.randn(2, *shape, dtype=torch.float64) * 2
    torch.testing.assert_close(CosineSmoothL1Loss(alpha, beta)(student, teacher),
                               closed_form(student, teacher, alpha, beta), rtol=1e-9, atol=0)


def test_taps_are_summed():
    student, teacher, one, other = *torch.randn(2, 3, 8, 5, 4).double(), *torch.randn(2, 3, 6).double()
    torch.testing.assert_close(CosineSmoothL1Loss()([student, one], [teacher, other]),
                               closed_form(student, teacher) + closed_form(one, other))


def test_gradients_and_zero():
    student, teacher = torch.randn(2, 2, 3, 2, 2).double()
    student.requires_grad_()
    teacher.requires_grad_()
    CosineSmoothL1Loss()(student, teacher).backward()
    assert teacher.grad is None
    assert torch.autograd.gradcheck(lambda s: CosineSmoothL1Loss()(s, teacher.detach()), student)
    assert abs(CosineSmoothL1Loss()(teacher, teacher)) < 1e-12
    assert abs(CosineSmoothL1Loss(1., 0.)(3 * teacher, teacher)) < 1e-12  # the size does not count


@pytest.mark.parametrize(('value', 'dtype'), [
    (1e4, torch.float16), (1e4, torch.bfloat16), (1e4, torch.float32), (0., torch.bfloat16), (0., torch.float32)])
def test_finite_at_extremes(value, dtype):
    student = torch.full((1, 4, 2, 2), value, dtype=dtype, requires_grad=True)
    for teacher in (torch.zeros(1, 4, 2, 2, dtype=dtype), torch.full((1, 4, 2, 2), -1e4, dtype=dtype)):
        loss = CosineSmoothL1Loss()(student, teacher)
        loss.backward()
        assert loss.isfinite() and student.grad.isfinite().all()


def test_nothing_to_compare():
    with pytest.raises(UserError, match='alpha or beta above 0'):
        CosineSmoothL1Loss(0., 0.)
    with pytest.raises(UserError, match=r'(?s)\(2, 8, 1, 1\) from the student and \(2, 16, 1, 1\).*LinearConnector'):
        CosineSmoothL1Loss()(torch.zeros(2, 8), torch.zeros(2, 16))
