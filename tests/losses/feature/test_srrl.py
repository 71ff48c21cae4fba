"""SRRLLoss against the closed form."""
import copy

import pytest
import torch
from torch import nn

from mmkd.losses import SRRLLoss
from mmkd.utils import UserError


def head(channels=6, classes=5):
    weight, bias = torch.randn(classes, channels).double(), torch.randn(classes).double()
    return lambda maps: maps.mean((2, 3)) @ weight.T + bias


def bound(classifier, **options):
    loss = SRRLLoss(**options)
    loss.bind(teacher_classifier=classifier)
    return loss


def inputs(samples=3, channels=6, classes=5):
    student = torch.randn(samples, channels, 5, 4, dtype=torch.float64) * 4
    return student, [torch.randn(samples, channels, 3, 2, dtype=torch.float64) * 4,
                     torch.randn(samples, classes, dtype=torch.float64) * 4]


def closed_form(student, teacher, classifier, alpha, beta):
    samples, channels = student.shape[:2]
    pooled = student.flatten(2).sum(2) / (student.shape[2] * student.shape[3])
    teacher_pooled = teacher[0].flatten(2).sum(2) / (teacher[0].shape[2] * teacher[0].shape[3])
    features = ((pooled - teacher_pooled)**2).sum() / (samples * channels)
    logits = ((classifier(pooled[:, :, None, None]) - teacher[1])**2).sum() / teacher[1].numel()
    return alpha * features + beta * logits


@pytest.mark.parametrize('alpha, beta', [(1., 1.), (0., 1.), (1., 0.), (2., 0.5)])
def test_closed_form(alpha, beta):
    student, teacher = inputs()
    classifier = head()
    torch.testing.assert_close(bound(classifier, alpha=alpha, beta=beta)(student, teacher),
                               closed_form(student, teacher, classifier, alpha, beta), rtol=1e-9, atol=0)


def test_defaults_weigh_both_parts_equally():
    student, teacher = inputs()
    classifier = head()
    torch.testing.assert_close(bound(classifier)(student, teacher),
                               closed_form(student, teacher, classifier, 1., 1.), rtol=1e-9, atol=0)


def test_the_classifier_gets_the_map():
    """Some heads have a nonlinear norm before they pool."""
    student, teacher = inputs()
    expected = ((student.tanh().mean((2, 3))[:, :5] - teacher[1])**2).mean()
    loss = bound(lambda maps: maps.tanh().mean((2, 3))[:, :5], alpha=0.)
    torch.testing.assert_close(loss(student, teacher), expected, rtol=1e-9, atol=0)


def test_zero_when_equal():
    student, teacher = inputs()
    classifier = head()
    same = [student.mean((2, 3), keepdim=True).expand_as(student), classifier(student)]
    assert bound(classifier)(student, same) < 1e-25
    assert bound(classifier)(student, teacher) > 1


def test_gradients_pass_the_classifier():
    student, teacher = inputs()
    student.requires_grad_()
    for part in teacher:
        part.requires_grad_()
    frozen = nn.Linear(6, 5).double().requires_grad_(False)
    loss = bound(lambda maps: frozen(maps.mean((2, 3))), alpha=0.)
    assert torch.autograd.gradcheck(lambda s: loss(s, teacher), student)
    loss(student, teacher).backward()
    assert student.grad.abs().sum() > 0
    assert all(part.grad is None for part in teacher) and frozen.weight.grad is None


def test_the_classifier_is_in_no_state_dict_and_copy():
    frozen = nn.Linear(6, 5)
    loss = bound(lambda maps: frozen(maps.mean((2, 3))))
    assert not loss.state_dict() and not list(loss.parameters())
    assert copy.deepcopy(loss)._teacher_classifier is loss._teacher_classifier


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize('samples, classes', [(1, 2), (3, 5)])
def test_finite_at_extremes(dtype, samples, classes):
    frozen = nn.Linear(6, classes).requires_grad_(False)
    loss = bound(lambda maps: frozen(maps.mean((2, 3))))
    for value, other in ((1e4, -1e4), (-1e4, 1e4), (0., 0.)):
        student = torch.full((samples, 6, 40, 40), value, dtype=dtype, requires_grad=True)
        result = loss(student, [torch.full((samples, 6, 2, 2), other, dtype=dtype),
                                torch.full((samples, classes), other, dtype=dtype)])
        result.backward()
        assert result.dtype == torch.float32
        assert result.isfinite() and student.grad.isfinite().all()


def test_errors():
    student, teacher = inputs()
    with pytest.raises(UserError, match="expects the teacher's classifier, got none"):
        SRRLLoss()(student, teacher)
    loss = bound(head())
    with pytest.raises(UserError, match=r"got \(3, 6, 3, 2\). Tap both: teacher=\['stage4', 'logits'\]"):
        loss(student, teacher[0])
    with pytest.raises(UserError, match=r'got \[\(3, 5\), \(3, 6, 3, 2\)\]'):
        loss(student, teacher[::-1])
    with pytest.raises(UserError, match=r'\(3, 4, 5, 4\) from the student and \(3, 6, 3, 2\) from the teacher'):
        loss(student[:, :4], teacher)
    with pytest.raises(UserError, match=r'student maps .*, got \[\(3, 6, 5, 4\)\]. Tap .* as a string'):
        loss([student], teacher)
