"""CCLoss against the closed forms."""
import math

import pytest
import torch

from mmkd.losses import CCLoss
from mmkd.utils import UserError


def pairwise(loss, student, teacher):
    embedded_student = student @ loss.embed_student.weight.T + loss.embed_student.bias
    embedded_teacher = teacher @ loss.embed_teacher.weight.T + loss.embed_teacher.bias
    total = 0.
    for n in range(len(student) - 1):
        for k in range(embedded_student.shape[1]):
            total += (embedded_student[n, k] - embedded_teacher[n, k]).abs() * (
                embedded_student[n + 1, k] - embedded_teacher[n + 1, k]).abs()
    return total / (len(student) - 1)


def kernel(features, gamma, order):
    n = len(features)
    values = torch.zeros(n, n, dtype=features.dtype)
    for i in range(n):
        for j in range(n):
            cosine = features[i].dot(features[j]) / (features[i].norm() * features[j].norm())
            values[i, j] = sum(math.exp(-2 * gamma) * (2 * gamma * cosine)**p / math.factorial(p)
                               for p in range(order + 1))
    return values


def features(n=5):
    return torch.randn(n, 6, dtype=torch.float64), 3 * torch.randn(n, 9, dtype=torch.float64)


def make(**kwargs):
    return CCLoss(6, 9, **kwargs).double()


def test_pairwise():
    loss, (student, teacher) = make(embedding=7), features()
    torch.testing.assert_close(loss(student, teacher), pairwise(loss, student, teacher), rtol=1e-9, atol=0)
    student, teacher = torch.randn(4, 6, 3, 2).double(), torch.randn(4, 9, 2, 2).double()
    torch.testing.assert_close(loss(student, teacher), pairwise(loss, student.mean((2, 3)), teacher.mean((2, 3))),
                               rtol=1e-9, atol=0)


@pytest.mark.parametrize(('gamma', 'order'), [(.4, 2), (1., 1), (.2, 5)])
def test_kernel(gamma, order):
    student, teacher = features()
    difference = kernel(student, gamma, order) - kernel(teacher, gamma, order)
    torch.testing.assert_close(make(variant='kernel', gamma=gamma, order=order)(student, teacher),
                               difference.pow(2).sum() / 25, rtol=1e-9, atol=0)


def test_kernel_tends_to_the_gaussian():
    student, _ = features()
    unit = student / student.norm(dim=1, keepdim=True)
    gaussian = torch.exp(-.4 * torch.cdist(unit, unit).square())
    torch.testing.assert_close(make(variant='kernel', order=20)._kernel(student), gaussian)


@pytest.mark.parametrize('variant', ['pairwise', 'kernel'])
@pytest.mark.parametrize('n', [1, 4])
def test_gradients(variant, n):
    torch.manual_seed(0)
    loss, (student, teacher) = make(variant=variant, embedding=3), features(n)
    student.requires_grad_()
    teacher.requires_grad_()
    loss(student, teacher).backward()
    assert teacher.grad is None and student.grad is not None
    assert all(p.grad is not None for p in loss.parameters())
    assert torch.autograd.gradcheck(lambda s: loss(s, teacher), student)


def test_zero_when_equal():
    student, _ = features()
    loss = CCLoss(6, 6).double()
    loss.embed_teacher.load_state_dict(loss.embed_student.state_dict())
    assert loss(student, student) == 0
    assert CCLoss(6, 6, variant='kernel')(3 * student, student) < 1e-20
    assert not list(CCLoss(6, 6, variant='kernel').parameters())


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize('variant', ['pairwise', 'kernel'])
@pytest.mark.parametrize('n', [1, 2, 5])
def test_finite_at_extremes(dtype, variant, n):
    for value in (1e4, -1e4, 0.):
        student = torch.full((n, 4), value, dtype=dtype, requires_grad=True)
        loss = CCLoss(4, 3, variant=variant)(student, torch.full((n, 3), -1e4, dtype=dtype))
        # Pairwise gradients are 4e5 here, above what fp16 can hold; the usual weight brings them to 8e3.
        (0.02 * loss).backward()
        assert loss.dtype == torch.float32 and loss.isfinite() and student.grad.isfinite().all()


def test_a_row_of_zeros_does_not_explode():
    student, teacher = features()
    student[2] = 0
    student.requires_grad_()
    make(variant='kernel')(student, teacher).backward()
    assert student.grad[2].eq(0).all() and student.grad.abs().max() < 10


def test_wrong_use():
    with pytest.raises(UserError, match='one of pairwise, kernel'):
        CCLoss(4, 4, variant='gram')
    with pytest.raises(UserError, match='order to be a whole number from 1 to 100, got 0'):
        CCLoss(4, 4, order=0)
    with pytest.raises(UserError, match='the same samples'):
        CCLoss(4, 4)(torch.zeros(2, 4), torch.zeros(3, 4))
