"""FDLoss against the closed form."""
import pytest
import torch
import torch.nn.functional as F

from mmkd.losses import FDLoss
from mmkd.utils import UserError


def closed_form(student, teacher, beta=2., eps=1e-5):
    mean = teacher.mean(1, keepdim=True)
    variance = (teacher - mean).pow(2).mean(1, keepdim=True)
    distance = (student - (teacher - mean) / (variance + eps).sqrt()).abs()
    return torch.where(distance < beta, distance**2 / (2 * beta), distance - beta / 2).mean()


def maps(*shape):
    return torch.randn(2, *shape, dtype=torch.float64) * 4


def test_closed_form():
    student, teacher = maps(3, 8, 5, 4)
    torch.testing.assert_close(FDLoss()(student, teacher), closed_form(student, teacher), rtol=1e-9, atol=0)


def test_stages_are_summed_and_sizes_matched():
    student, teacher = maps(3, 8, 5, 4)
    other, teacher2 = torch.randn(3, 6, 9, 9).double(), torch.randn(3, 6, 5, 5).double()
    expected = closed_form(student, teacher) + closed_form(
        F.interpolate(other, (5, 5), mode='bilinear', align_corners=False), teacher2)
    torch.testing.assert_close(FDLoss()([student, other], [teacher, teacher2]), expected, rtol=1e-9, atol=0)


def test_whitenings():
    student, teacher = maps(3, 8, 5, 4)
    plain = F.smooth_l1_loss(student, teacher, beta=2.)
    torch.testing.assert_close(FDLoss(whitening='none')(student, teacher), plain)
    whole = (teacher - teacher.mean((1, 2, 3), keepdim=True)) / teacher.std(
        (1, 2, 3), keepdim=True, unbiased=False)
    torch.testing.assert_close(FDLoss(whitening='all', eps=0)(student, teacher),
                               F.smooth_l1_loss(student, whole, beta=2.))
    with pytest.raises(UserError, match='one of channel, all, none'):
        FDLoss(whitening='layer')


def test_gradients_and_zero():
    student, teacher = maps(2, 3, 2, 2)
    student.requires_grad_()
    teacher.requires_grad_()
    FDLoss()(student, teacher).backward()
    assert teacher.grad is None
    assert torch.autograd.gradcheck(lambda s: FDLoss()(s, teacher), student)
    white = FDLoss()._whiten(teacher.detach())
    assert FDLoss()(white, teacher) == 0


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32])
def test_finite_at_extremes(dtype):
    student = torch.full((1, 4, 2, 2), 1e4, dtype=dtype, requires_grad=True)
    for teacher in (torch.zeros(1, 4, 2, 2, dtype=dtype), torch.full((1, 4, 2, 2), -1e4, dtype=dtype)):
        loss = FDLoss()(student, teacher)
        loss.backward()
        assert loss.isfinite() and student.grad.isfinite().all()


def test_channels_differ():
    with pytest.raises(UserError, match=r'\(2, 8, 7, 7\) from the student and \(2, 16, 7, 7\) from the teacher'):
        FDLoss()(torch.zeros(2, 8, 7, 7), torch.zeros(2, 16, 7, 7))
    with pytest.raises(UserError, match='got 1 and 2'):
        FDLoss()(torch.zeros(2, 8, 7, 7), [torch.zeros(2, 8, 7, 7)] * 2)
