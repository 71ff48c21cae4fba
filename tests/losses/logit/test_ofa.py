"""OFALoss against the closed form, and with its connectors."""
import pytest
import torch
import torch.nn.functional as F

from mmkd.connectors import AuxiliaryHeadConnector
from mmkd.losses import OFALoss
from mmkd.utils import UserError


def closed_form(student, teacher, target, gamma, temperature, enhanced='all'):
    total = 0.
    for s, t, y in zip(student / temperature, teacher / temperature, target):
        p, q = t.exp() / t.exp().sum(), s.exp() / s.exp().sum()
        for c in range(len(s)):
            exponent = gamma if enhanced == 'all' or c == y else 1
            weight = (1 + p[c])**gamma - 1 if c == y else p[c]**exponent
            total -= weight * q[c].log()
    return total / len(student)


@pytest.mark.parametrize('enhanced', ['all', 'target'])
@pytest.mark.parametrize(('gamma', 'temperature'), [(1.5, 1), (1, 1), (2, 4), (0.7, 1)])
def test_closed_form(gamma, temperature, enhanced):
    student, teacher = torch.randn(2, 6, 9, dtype=torch.float64) * 3
    target = torch.randint(9, (6, ))
    loss = OFALoss(gamma, temperature, enhanced)(student, teacher, target)
    torch.testing.assert_close(loss, closed_form(student, teacher, target, gamma, temperature, enhanced),
                               rtol=1e-9, atol=1e-12)


def test_without_enhancement_it_is_the_cross_entropy_with_the_teacher():
    student, teacher = torch.randn(2, 6, 9, dtype=torch.float64)
    expected = F.cross_entropy(student, teacher.softmax(1))
    for enhanced in ('all', 'target'):
        loss = OFALoss(1, enhanced=enhanced)(student, teacher, torch.randint(9, (6, )))
        torch.testing.assert_close(loss, expected, rtol=1e-9, atol=1e-12)


def test_places_are_summed():
    students, teacher = torch.randn(3, 6, 9, dtype=torch.float64), torch.randn(6, 9, dtype=torch.float64)
    target = torch.randint(9, (6, ))
    expected = sum(OFALoss()(student, teacher, target) for student in students)
    torch.testing.assert_close(OFALoss()(list(students), teacher, target), expected, rtol=1e-12, atol=0)


def test_soft_labels_use_their_largest_class():
    student, teacher = torch.randn(2, 6, 9)
    target = torch.randint(9, (6, ))
    soft = 0.7 * F.one_hot(target, 9) + 0.3 * F.one_hot((target + 1) % 9, 9)
    assert OFALoss()(student, teacher, soft) == OFALoss()(student, teacher, target)


def test_gradients():
    student, teacher = torch.randn(2, 4, 5, dtype=torch.float64)
    student, teacher = student.requires_grad_(), teacher.requires_grad_()
    target = torch.tensor([0, 1, 4, 2])
    OFALoss()([student, student * 2], teacher, target).backward()
    assert teacher.grad is None
    assert torch.autograd.gradcheck(lambda s: OFALoss(1.5, 2)([s, s * 2], teacher, target), student)


def test_with_auxiliary_heads_every_parameter_and_stage_learns():
    stages = [torch.randn(4, 8 * 2**i, 8 // 2**i, 8 // 2**i, requires_grad=True) for i in range(3)]
    heads = [AuxiliaryHeadConnector(8 * 2**i, 10, depth=2 - i) for i in range(3)]
    logits = torch.randn(4, 10, requires_grad=True)
    students = [head(stage) for head, stage in zip(heads, stages, strict=True)] + [logits]
    OFALoss()(students, torch.randn(4, 10), torch.randint(10, (4, ))).backward()
    for tensor in (*stages, logits, *(p for head in heads for p in head.parameters())):
        assert tensor.grad is not None and tensor.grad.isfinite().all() and tensor.grad.abs().sum() > 0


@pytest.mark.parametrize('enhanced', ['all', 'target'])
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize('shape', [(1, 2), (1, 10), (4, 10)])
def test_finite_at_extremes(dtype, shape, enhanced):
    student = torch.full(shape, 1e4, dtype=dtype)
    student[:, 0] = -1e4
    student.requires_grad_()
    for teacher in (student.detach(), -student.detach(), torch.zeros(shape, dtype=dtype)):
        student.grad = None
        loss = OFALoss(enhanced=enhanced)([student], teacher, torch.zeros(shape[0], dtype=torch.long))
        loss.backward()
        assert loss.isfinite() and student.grad.isfinite().all()
        assert loss.dtype == torch.float32


def test_bad_input():
    logits, target = torch.zeros(2, 4), torch.zeros(2, dtype=torch.long)
    with pytest.raises(UserError, match="enhanced to be one of all, target, got 'none'"):
        OFALoss(enhanced='none')
    with pytest.raises(UserError, match='OFALoss expects class labels'):
        OFALoss()(logits, logits)
    with pytest.raises(UserError, match='student logits as teacher logits, at least one, got 0 and 0'):
        OFALoss()([], logits, target)
    with pytest.raises(UserError, match=r'\(2, 4\) from the student and \(2, 3\) from the teacher'):
        OFALoss()([logits, logits], logits[:, :3], target)
    with pytest.raises(UserError, match=r'student logits of shape \(N, C\), got \(2, 4, 8, 8\)'):
        OFALoss()([torch.zeros(2, 4, 8, 8), logits], logits, target)
