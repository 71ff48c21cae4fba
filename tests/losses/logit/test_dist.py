"""DISTLoss against the closed form."""
import pytest
import torch

from mmkd.losses import DISTLoss
from mmkd.utils import UserError


def pearson(a, b, eps=1e-8):
    a, b = a - a.sum() / len(a), b - b.sum() / len(b)
    return (a * b).sum() / ((a * a).sum().sqrt() * (b * b).sum().sqrt() + eps)


def closed_form(student, teacher, beta, gamma, temperature):
    q = torch.stack([s.exp() / s.exp().sum() for s in student / temperature])
    p = torch.stack([t.exp() / t.exp().sum() for t in teacher / temperature])
    in_rows = sum(pearson(a, b) for a, b in zip(q, p)) / len(q)
    in_columns = sum(pearson(a, b) for a, b in zip(q.T, p.T)) / len(q.T)
    return temperature**2 * (beta * (1 - in_rows) + gamma * (1 - in_columns))


@pytest.mark.parametrize(('beta', 'gamma', 'temperature'), [(1, 1, 1), (2, 2, 4), (1, 0, 1), (0, 3, 1)])
def test_closed_form(beta, gamma, temperature):
    student, teacher = torch.randn(2, 6, 9, dtype=torch.float64) * 3
    loss = DISTLoss(beta, gamma, temperature)(student, teacher)
    torch.testing.assert_close(loss, closed_form(student, teacher, beta, gamma, temperature), rtol=1e-9, atol=1e-12)


def test_dense_logits_count_every_position_as_a_sample():
    student, teacher = torch.randn(2, 2, 5, 3, 4, dtype=torch.float64) * 3
    positions = [torch.stack([maps[n, :, i, j] for n in range(2) for i in range(3) for j in range(4)])
                 for maps in (student, teacher)]
    expected = closed_form(*positions, 1, 1, 1)
    torch.testing.assert_close(DISTLoss()(student, teacher), expected, rtol=1e-9, atol=1e-12)
    levels = DISTLoss()([student, student[..., :2]], [teacher, teacher[..., :2]])
    expected = (expected + DISTLoss()(student[..., :2], teacher[..., :2])) / 2
    torch.testing.assert_close(levels, expected, rtol=1e-9, atol=1e-12)


def test_gradients():
    student, teacher = torch.randn(2, 4, 5, dtype=torch.float64)
    student, teacher = student.requires_grad_(), teacher.requires_grad_()
    DISTLoss(1, 2, 2)(student, teacher).backward()
    assert teacher.grad is None
    assert torch.autograd.gradcheck(lambda s: DISTLoss(1, 2, 2)(s, teacher), student)


def test_minimal_when_equal():
    logits = torch.randn(3, 7, dtype=torch.float64, requires_grad=True)
    loss = DISTLoss(eps=0.)(logits, logits.detach())
    (grad, ) = torch.autograd.grad(loss, logits)
    torch.testing.assert_close(loss.detach(), torch.zeros_like(loss), rtol=0, atol=1e-12)
    torch.testing.assert_close(grad, torch.zeros_like(grad), rtol=0, atol=1e-9)


def test_only_the_correlation_counts():
    probabilities = torch.randn(6, 5, dtype=torch.float64).softmax(1)
    flatter = 0.3 * probabilities + 0.7 / 5  # every row and every column: another scale and mean
    loss = DISTLoss(eps=0.)(flatter.log(), probabilities.log())
    torch.testing.assert_close(loss, torch.zeros_like(loss), rtol=0, atol=1e-12)


def test_a_batch_of_one_makes_the_second_part_constant():
    student, teacher = torch.randn(2, 1, 7, dtype=torch.float64)
    student.requires_grad_()
    loss = DISTLoss(0, 1)(student, teacher)
    loss.backward()
    assert loss == 1 and (student.grad == 0).all()


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_constant_rows_and_columns_get_no_gradient(dtype):
    teacher = torch.randn(5, 7, dtype=dtype)
    uniform = torch.full((5, 7), 0.1, dtype=dtype, requires_grad=True)
    loss = DISTLoss()(uniform, teacher)
    loss.backward()
    assert loss == 2 and (uniform.grad == 0).all()
    identical = torch.randn(1, 7, dtype=dtype).expand(5, 7).clone().requires_grad_()
    loss = DISTLoss(0, 1)(identical, teacher)
    loss.backward()
    assert loss == 1 and (identical.grad == 0).all()


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize('shape', [(1, 2), (1, 10), (4, 10), (2, 3, 4, 4)])
def test_finite_at_extremes(dtype, shape):
    student = torch.full(shape, 1e4, dtype=dtype)
    student[:, 0] = -1e4
    student.requires_grad_()
    for teacher in (student.detach(), -student.detach(), torch.zeros(shape, dtype=dtype)):
        student.grad = None
        loss = DISTLoss()(student, teacher)
        loss.backward()
        assert loss.isfinite() and student.grad.isfinite().all()
        assert loss.dtype == torch.float32


def test_shapes_differ():
    with pytest.raises(UserError, match=r'\(2, 4\) from the student and \(2, 3\) from the teacher'):
        DISTLoss()(torch.zeros(2, 4), torch.zeros(2, 3))
