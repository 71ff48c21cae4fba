"""NKDLoss against the closed form."""
import pytest
import torch
import torch.nn.functional as F

from mmkd.losses import NKDLoss
from mmkd.utils import UserError


def closed_form(student, teacher, target, temperature, gamma):
    total = 0.
    for s, t, y in zip(student, teacher, target):
        total -= t.softmax(0)[y] * s.softmax(0)[y].log()
        keep = torch.arange(len(s)) != y
        total -= gamma * temperature**2 * ((t / temperature)[keep].softmax(0)
                                           * (s / temperature)[keep].softmax(0).log()).sum()
    return total / len(student)


@pytest.mark.parametrize(('temperature', 'gamma'), [(1, 1.5), (3, 3.5), (1, 1)])
def test_closed_form(temperature, gamma):
    student, teacher = torch.randn(2, 6, 9, dtype=torch.float64) * 3
    target = torch.randint(9, (6, ))
    loss = NKDLoss(temperature, gamma)(student, teacher, target)
    torch.testing.assert_close(loss, closed_form(student, teacher, target, temperature, gamma),
                               rtol=1e-9, atol=1e-12)


def test_soft_labels_use_their_largest_class():
    student, teacher = torch.randn(2, 6, 9)
    target = torch.randint(9, (6, ))
    soft = 0.7 * F.one_hot(target, 9) + 0.3 * F.one_hot((target + 1) % 9, 9)
    assert NKDLoss()(student, teacher, soft) == NKDLoss()(student, teacher, target)


def test_gradients():
    torch.manual_seed(0)
    student = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    teacher = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    target = torch.tensor([0, 1, 4, 2])
    NKDLoss(2)(student, teacher, target).backward()
    assert teacher.grad is None
    assert torch.autograd.gradcheck(lambda s: NKDLoss(2)(s, teacher, target), student)


def test_minimal_when_the_students_others_equal_the_teachers():
    teacher, target = torch.randn(8, 6, dtype=torch.float64), torch.arange(6).repeat(2)[:8]
    student = teacher.clone().requires_grad_()
    (grad, ) = torch.autograd.grad(NKDLoss(gamma=1e3)(student, teacher, target), student)
    others = grad.scatter(1, target[:, None], 0.)
    # Moving mass among the other classes does not help: what is left comes from the target part.
    (plain, ) = torch.autograd.grad(NKDLoss(gamma=0)(student, teacher, target), student)
    torch.testing.assert_close(others, plain.scatter(1, target[:, None], 0.), rtol=0, atol=1e-11)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize('shape', [(1, 2), (1, 10), (4, 10)])
def test_finite_at_extremes(dtype, shape):
    student = torch.full(shape, 1e4, dtype=dtype)
    student[:, 0] = -1e4
    student.requires_grad_()
    loss = NKDLoss()(student, -student.detach(), torch.zeros(shape[0], dtype=torch.long))
    loss.backward()
    assert loss.isfinite() and student.grad.isfinite().all()


def test_bad_targets():
    logits = torch.zeros(2, 4)
    with pytest.raises(UserError, match='expects class labels'):
        NKDLoss()(logits, logits)
    with pytest.raises(UserError, match=r'expects a target of shape \(2,\) or \(2, 4\), got \(3,\)'):
        NKDLoss()(logits, logits, torch.zeros(3))
    with pytest.raises(UserError, match='at least 2 classes'):
        NKDLoss()(logits[:, :1], logits[:, :1], torch.zeros(2, dtype=torch.long))
