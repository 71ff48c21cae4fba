"""KDLoss against the closed form."""
import pytest
import torch

from mmkd.losses import KDLoss
from mmkd.utils import UserError


def closed_form(student, teacher, temperature):
    total = 0.
    for s, t in zip(student / temperature, teacher / temperature):
        p, q = t.exp() / t.exp().sum(), s.exp() / s.exp().sum()
        total += (p * (p / q).log()).sum()
    return temperature**2 * total / len(student)


@pytest.mark.parametrize('temperature', [1, 2, 5, 10, 20])
def test_closed_form(temperature):
    student, teacher = torch.randn(2, 6, 9, dtype=torch.float64) * 3
    loss = KDLoss(temperature)(student, teacher)
    torch.testing.assert_close(loss, closed_form(student, teacher, temperature), rtol=1e-9, atol=1e-12)


def test_gradients():
    student, teacher = torch.randn(2, 4, 5, dtype=torch.float64).requires_grad_()
    teacher = teacher.detach().requires_grad_()
    student = student.detach().requires_grad_()
    KDLoss(4)(student, teacher).backward()
    assert teacher.grad is None
    assert torch.autograd.gradcheck(lambda s: KDLoss(4)(s, teacher), student)


def test_zero_when_equal():
    logits = torch.randn(3, 7)
    assert KDLoss(2)(logits, logits) == 0


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize('shape', [(1, 2), (4, 10)])
def test_finite_at_extremes(dtype, shape):
    student = torch.full(shape, 1e4, dtype=dtype)
    student[:, 0] = -1e4
    student.requires_grad_()
    loss = KDLoss()(student, -student.detach())
    loss.backward()
    assert loss.isfinite() and student.grad.isfinite().all()
    assert loss.dtype == torch.float32


def test_dense_logits_count_every_position_as_a_sample():
    student, teacher = torch.randn(2, 2, 5, 3, 4, dtype=torch.float64) * 3
    positions = [torch.stack([maps[n, :, i, j] for n in range(2) for i in range(3) for j in range(4)])
                 for maps in (student, teacher)]
    torch.testing.assert_close(KDLoss(2)(student, teacher), closed_form(*positions, 2), rtol=1e-9, atol=1e-12)


def test_levels_are_averaged():
    student, teacher = torch.randn(2, 2, 5, 4, 4, dtype=torch.float64)
    coarse_student, coarse_teacher = torch.randn(2, 2, 5, 2, 2, dtype=torch.float64)
    loss = KDLoss(2)([student, coarse_student], [teacher, coarse_teacher])
    expected = (KDLoss(2)(student, teacher) + KDLoss(2)(coarse_student, coarse_teacher)) / 2
    torch.testing.assert_close(loss, expected, rtol=1e-12, atol=0)


def test_shapes_differ():
    with pytest.raises(UserError, match=r'\(2, 10\) from the student and \(2, 1000\) from the teacher'):
        KDLoss()(torch.zeros(2, 10), torch.zeros(2, 1000))
    with pytest.raises(UserError, match=r'\(2, 8, 7, 7\) from the student and \(2, 8\) from the teacher'):
        KDLoss()(torch.zeros(2, 8, 7, 7), torch.zeros(2, 8))
    with pytest.raises(UserError, match=r'\(2, 8, 7, 7\) from the student and \(2, 8, 14, 14\) from the teacher'):
        KDLoss()(torch.zeros(2, 8, 7, 7), torch.zeros(2, 8, 14, 14))
