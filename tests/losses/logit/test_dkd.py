"""DKDLoss against the closed form."""
import pytest
import torch
import torch.nn.functional as F

from mmkd.losses import DKDLoss, KDLoss
from mmkd.utils import UserError


def closed_form(student, teacher, target, alpha, beta, temperature):
    total = 0.
    for s, t, y in zip(student / temperature, teacher / temperature, target):
        q, p = s.exp() / s.exp().sum(), t.exp() / t.exp().sum()
        keep = torch.arange(len(s)) != y
        total += alpha * (p[y] * (p[y] / q[y]).log() + p[keep].sum() * (p[keep].sum() / q[keep].sum()).log())
        p, q = p[keep] / p[keep].sum(), q[keep] / q[keep].sum()
        total += beta * (p * (p / q).log()).sum()
    return temperature**2 * total / len(student)


@pytest.mark.parametrize(('alpha', 'beta', 'temperature'), [(1, 2, 1), (1, 0.5, 1), (1, 8, 4), (0, 1, 2), (1, 0, 2)])
def test_closed_form(alpha, beta, temperature):
    student, teacher = torch.randn(2, 6, 9, dtype=torch.float64) * 3
    target = torch.randint(9, (6, ))
    loss = DKDLoss(alpha, beta, temperature)(student, teacher, target)
    torch.testing.assert_close(loss, closed_form(student, teacher, target, alpha, beta, temperature),
                               rtol=1e-9, atol=1e-12)


def test_weighted_by_the_teachers_rest_it_is_kd():
    """Eq. 6 of the paper: KD = TCKD + (1 - p(target)) NCKD, sample by sample."""
    student, teacher = torch.randn(2, 5, 7, dtype=torch.float64)
    target = torch.randint(7, (5, ))
    for s, t, y in zip(student.split(1), teacher.split(1), target.split(1)):
        rest = 1 - t.softmax(1)[0, y].item()
        torch.testing.assert_close(DKDLoss(1, rest)(s, t, y), KDLoss()(s, t), rtol=1e-9, atol=1e-12)


def test_two_classes_have_no_second_part():
    student, teacher = torch.randn(2, 6, 2, dtype=torch.float64)
    target = torch.tensor([0, 1, 0, 1, 1, 0])
    assert DKDLoss(0, 1)(student, teacher, target) == 0
    torch.testing.assert_close(DKDLoss()(student, teacher, target), KDLoss()(student, teacher), rtol=1e-9, atol=1e-12)


def test_soft_labels_use_their_largest_class():
    student, teacher = torch.randn(2, 6, 9)
    target = torch.randint(9, (6, ))
    soft = 0.7 * F.one_hot(target, 9) + 0.3 * F.one_hot((target + 1) % 9, 9)
    assert DKDLoss()(student, teacher, soft) == DKDLoss()(student, teacher, target)


def test_gradients():
    student, teacher = torch.randn(2, 4, 5, dtype=torch.float64)
    student, teacher = student.requires_grad_(), teacher.requires_grad_()
    target = torch.tensor([0, 1, 4, 2])
    DKDLoss(1, 8, 4)(student, teacher, target).backward()
    assert teacher.grad is None
    assert torch.autograd.gradcheck(lambda s: DKDLoss(1, 8, 4)(s, teacher, target), student)


def test_zero_when_equal():
    logits = torch.randn(3, 7)
    assert DKDLoss()(logits, logits, torch.tensor([0, 3, 6])) == 0


def test_a_confident_and_right_student_is_not_infinite():
    student = torch.tensor([[200., 0., 0.]], dtype=torch.float64)
    teacher = torch.zeros(1, 3, dtype=torch.float64)
    expected = (1 / 3 * torch.tensor(1 / 3).double().log()
                + 2 / 3 * (torch.tensor(2 / 3).double().log() - (torch.tensor(2.).double().log() - 200)))
    torch.testing.assert_close(DKDLoss(1, 0)(student, teacher, torch.tensor([0])), expected, rtol=1e-7, atol=0)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize('shape', [(1, 2), (1, 10), (4, 10)])
@pytest.mark.parametrize('y', [0, 1])
def test_finite_at_extremes(dtype, shape, y):
    student = torch.full(shape, 1e4, dtype=dtype)
    student[:, 0] = -1e4
    student.requires_grad_()
    for teacher in (student.detach(), -student.detach(), torch.zeros(shape, dtype=dtype)):
        student.grad = None
        loss = DKDLoss()(student, teacher, torch.full(shape[:1], y))
        loss.backward()
        assert loss.isfinite() and student.grad.isfinite().all()
        assert loss.dtype == torch.float32


def test_bad_input():
    logits = torch.zeros(2, 4)
    with pytest.raises(UserError, match='DKDLoss expects class labels'):
        DKDLoss()(logits, logits)
    with pytest.raises(UserError, match='at least 2 classes, got 1'):
        DKDLoss()(logits[:, :1], logits[:, :1], torch.zeros(2, dtype=torch.long))
    with pytest.raises(UserError, match=r'\(2, 4\) from the student and \(2, 3\) from the teacher'):
        DKDLoss()(logits, logits[:, :3], torch.zeros(2, dtype=torch.long))
