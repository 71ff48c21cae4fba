"""ATLoss against the closed form."""
import pytest
import torch
import torch.nn.functional as F

from mmkd.losses import ATLoss
from mmkd.utils import UserError


def attention(features, power=2):
    energy = (features.abs()**power).mean(1)  # (N, H, W)
    return energy / (energy**2).sum((1, 2), keepdim=True).sqrt()


def closed_form(student, teacher, power=2):
    return ((attention(student, power) - attention(teacher, power))**2).mean()


def maps(*shape):
    return torch.randn(*shape, dtype=torch.float64) * 4


@pytest.mark.parametrize('power', [1, 2, 4])
def test_closed_form_of_maps_of_other_widths(power):
    student, teacher = maps(3, 8, 5, 4), maps(3, 6, 5, 4)
    torch.testing.assert_close(ATLoss(power)(student, teacher), closed_form(student, teacher, power), rtol=1e-9, atol=0)


def test_l2():
    student, teacher = maps(3, 8, 5, 4), maps(3, 6, 5, 4)
    expected = sum(((attention(s) - attention(t))**2).sum().sqrt() for s, t in zip(student.split(1), teacher.split(1)))
    torch.testing.assert_close(ATLoss(distance='l2')(student, teacher), expected / 3, rtol=1e-9, atol=0)


def test_stages_are_summed_and_the_larger_map_is_pooled():
    student, teacher = maps(3, 8, 5, 4), maps(3, 6, 5, 4)
    large, small = maps(3, 4, 8, 6), maps(3, 7, 4, 3)
    pooled = large.reshape(3, 4, 4, 2, 3, 2).mean((3, 5))
    expected = closed_form(student, teacher) + closed_form(pooled, small) + closed_form(small, pooled)
    loss = ATLoss()([student, large, small], [teacher, small, large])
    torch.testing.assert_close(loss, expected, rtol=1e-9, atol=0)
    tall, wide = maps(3, 2, 8, 3), maps(3, 2, 4, 6)
    both = closed_form(F.adaptive_avg_pool2d(tall, (4, 3)), F.adaptive_avg_pool2d(wide, (4, 3)))
    torch.testing.assert_close(ATLoss()(tall, wide), both, rtol=1e-9, atol=0)


@pytest.mark.parametrize('distance', ['mse', 'l2'])
def test_gradients_and_zero(distance):
    loss, student, teacher = ATLoss(distance=distance), maps(2, 3, 2, 2), maps(2, 4, 2, 2)
    student.requires_grad_()
    teacher.requires_grad_()
    loss(student, teacher).backward()
    assert teacher.grad is None and student.grad.abs().sum() > 0
    assert torch.autograd.gradcheck(lambda s: loss(s, teacher), student)
    student.grad = None
    same = loss(student, 3 * student.detach())
    same.backward()
    assert same < 1e-15 and student.grad.isfinite().all()


@pytest.mark.parametrize('distance', ['mse', 'l2'])
@pytest.mark.parametrize('power', [1, 2, 4])
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32])
def test_finite_at_extremes(dtype, power, distance):
    values = {'large': torch.full((1, 4, 56, 56), 1e4), 'zero': torch.zeros(1, 4, 56, 56)}
    values['single'] = values['zero'].clone()
    values['single'][0, 0, 0, 0] = -1e4
    for one in values.values():
        for other in values.values():
            student = one.to(dtype).requires_grad_()
            loss = ATLoss(power, distance)(student, other.to(dtype))
            loss.backward()
            assert loss.isfinite() and student.grad.isfinite().all()


def test_arguments():
    with pytest.raises(UserError, match='one of mse, l2'):
        ATLoss(distance='l1')
    with pytest.raises(UserError, match='power to be a finite number from 1 to 4, got 0.5'):
        ATLoss(power=0.5)
    with pytest.raises(UserError, match='ATLoss expects as many student maps'):
        ATLoss()(maps(1, 1, 2, 2), [])
