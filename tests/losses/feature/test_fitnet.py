"""FitNetLoss against the closed form."""
import pytest
import torch

from mmkd.losses import FitNetLoss
from mmkd.utils import UserError


def test_closed_form():
    student, teacher = torch.randn(2, 3, 8, 5, 4).double()
    torch.testing.assert_close(FitNetLoss()(student, teacher), (student - teacher).square().sum() / (3 * 8 * 5 * 4))
    one, other = torch.randn(2, 3, 6).double()
    torch.testing.assert_close(FitNetLoss()([student, one], [teacher, other]),
                               (student - teacher).square().mean() + (one - other).square().mean())


def test_gradients_and_zero():
    student, teacher = torch.randn(2, 2, 3, 2, 2).double()
    teacher.requires_grad_()
    student.requires_grad_()
    FitNetLoss()(student, teacher).backward()
    torch.testing.assert_close(student.grad, 2 * (student - teacher).detach() / student.numel())
    assert teacher.grad is None and FitNetLoss()(teacher, teacher) == 0


def test_finite_at_extremes_and_one_sample():
    student = torch.full((1, 4, 2, 2), 6e4, dtype=torch.float16, requires_grad=True)
    loss = FitNetLoss()(student, torch.full((1, 4, 2, 2), -6e4, dtype=torch.float16))
    assert loss.isfinite() and loss.dtype == torch.float32


def test_channels_differ():
    with pytest.raises(UserError, match=r'(?s)\(2, 8, 7, 7\) from the student and \(2, 16, 7, 7\).*Add a connector'):
        FitNetLoss()(torch.zeros(2, 8, 7, 7), torch.zeros(2, 16, 7, 7))
