"""BinaryKDLoss against the closed form."""
import pytest
import torch

from mmkd.losses import BinaryKDLoss
from mmkd.utils import UserError


def closed_form(student, teacher, sigmoid=False):
    """The divergence of each class, (N, C)."""
    p = 1 / (1 + (-teacher).exp()) if sigmoid else teacher.exp() / teacher.exp().sum(1, keepdim=True)
    q = 1 / (1 + (-student).exp())
    return p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()


@pytest.mark.parametrize('activation', ['softmax', 'sigmoid'])
def test_closed_form(activation):
    student, teacher = torch.randn(2, 6, 9, dtype=torch.float64) * 3
    each = closed_form(student, teacher, activation == 'sigmoid')
    summed = BinaryKDLoss('sum', activation)(student, teacher)
    torch.testing.assert_close(summed, each.sum() / 6, rtol=1e-9, atol=1e-12)
    mean = BinaryKDLoss('mean', activation)(student, teacher)
    torch.testing.assert_close(mean, each.sum() / 54, rtol=1e-9, atol=1e-12)


def test_the_default_is_the_papers():
    student, teacher = torch.randn(2, 6, 9, dtype=torch.float64)
    assert BinaryKDLoss()(student, teacher) == BinaryKDLoss('sum', 'softmax')(student, teacher)


def test_gradient_is_the_difference_of_probabilities():
    student, teacher = torch.randn(2, 4, 5, dtype=torch.float64)
    teacher, student = teacher.requires_grad_(), student.requires_grad_()
    BinaryKDLoss()(student, teacher).backward()
    assert teacher.grad is None
    expected = (student.sigmoid() - teacher.softmax(1)).detach() / 4
    torch.testing.assert_close(student.grad, expected, rtol=1e-9, atol=1e-12)
    assert torch.autograd.gradcheck(lambda s: BinaryKDLoss('mean', 'sigmoid')(s, teacher), student)


def test_zero_when_equal():
    logits = torch.randn(3, 7, dtype=torch.float64)
    sigmoid = BinaryKDLoss(teacher_activation='sigmoid')
    torch.testing.assert_close(sigmoid(logits, logits), torch.zeros((), dtype=torch.float64), rtol=0, atol=1e-14)
    softmax = BinaryKDLoss()(logits.softmax(1).logit(), logits)
    torch.testing.assert_close(softmax, torch.zeros((), dtype=torch.float64), rtol=0, atol=1e-14)


def test_objectness_maps_of_several_levels():
    students = [torch.randn(2, 1, size, size, dtype=torch.float64) for size in (8, 4)]
    teachers = [torch.randn(2, 1, size, size, dtype=torch.float64) for size in (8, 4)]
    loss = BinaryKDLoss('mean', 'sigmoid')(students, teachers)
    expected = sum(closed_form(s, t, True).mean() for s, t in zip(students, teachers, strict=True)) / 2
    torch.testing.assert_close(loss, expected, rtol=1e-9, atol=1e-12)


def test_dense_softmax_is_over_the_classes_of_a_position():
    student, teacher = torch.randn(2, 2, 5, 3, 4, dtype=torch.float64)
    expected = closed_form(student, teacher).sum() / (2 * 3 * 4)
    torch.testing.assert_close(BinaryKDLoss()(student, teacher), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(('activation', 'shape'), [
    *((activation, shape) for activation in ('softmax', 'sigmoid') for shape in ((1, 2), (1, 10), (4, 10))),
    ('sigmoid', (2, 1, 3, 3))])
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32])
def test_finite_at_extremes(activation, dtype, shape):
    student = torch.full(shape, 1e4, dtype=dtype)
    student[:, 0] = -1e4
    student.requires_grad_()
    for teacher in (student.detach(), -student.detach(), torch.zeros(shape, dtype=dtype)):
        student.grad = None
        loss = BinaryKDLoss(teacher_activation=activation)(student, teacher)
        loss.backward()
        assert loss.isfinite() and student.grad.isfinite().all()
        assert loss.dtype == torch.float32


def test_bad_arguments():
    with pytest.raises(UserError, match="reduction to be one of sum, mean, got 'none'"):
        BinaryKDLoss('none')
    with pytest.raises(UserError, match="teacher_activation to be one of softmax, sigmoid, got 'relu'"):
        BinaryKDLoss(teacher_activation='relu')
    with pytest.raises(UserError, match=r'\(2, 1, 8, 8\) from the student and \(2, 1, 4, 4\) from the teacher'):
        BinaryKDLoss()(torch.zeros(2, 1, 8, 8), torch.zeros(2, 1, 4, 4))
