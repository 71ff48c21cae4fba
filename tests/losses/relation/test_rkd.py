"""RKDLoss against sums over pairs and triples."""
from itertools import product

import pytest
import torch

from mmkd.losses import RKDLoss
from mmkd.utils import UserError


def huber(difference):
    size = abs(difference)
    return size**2 / 2 if size < 1 else size - .5


def distances(features):
    n = len(features)
    values = {(i, j): (features[i] - features[j]).pow(2).sum().sqrt() for i, j in product(range(n), repeat=2)}
    mean = sum(values.values()) / (n * (n - 1))
    return {pair: value / mean for pair, value in values.items()}


def angle(features, i, j, k):
    if i in (j, k):
        return torch.tensor(0., dtype=features.dtype)
    first, second = features[j] - features[i], features[k] - features[i]
    return first.dot(second) / (first.dot(first) * second.dot(second)).sqrt()


def closed_form(student, teacher, distance_weight=25., angle_weight=50.):
    n = len(student)
    of_student, of_teacher = distances(student), distances(teacher)
    distance = sum(huber(of_student[pair] - of_teacher[pair]) for pair in of_student) / n**2
    angles = sum(huber(angle(student, *triple) - angle(teacher, *triple))
                 for triple in product(range(n), repeat=3)) / n**3
    return distance_weight * distance + angle_weight * angles


def features(n=5, student=6, teacher=9):
    return torch.randn(n, student, dtype=torch.float64), 3 * torch.randn(n, teacher, dtype=torch.float64)


@pytest.mark.parametrize('weights', [(25., 50.), (1., 0.), (0., 2.)])
def test_closed_form(weights):
    student, teacher = features()
    torch.testing.assert_close(RKDLoss(*weights)(student, teacher), closed_form(student, teacher, *weights),
                               rtol=1e-9, atol=0)


def test_maps_and_tokens_are_averaged():
    maps, tokens = torch.randn(4, 6, 3, 2).double(), torch.randn(4, 5, 8).double()
    torch.testing.assert_close(RKDLoss()(maps, tokens), closed_form(maps.mean((2, 3)), tokens.mean(1)),
                               rtol=1e-9, atol=0)


def test_scale_and_place_of_the_features_do_not_matter():
    student, teacher = features()
    torch.testing.assert_close(RKDLoss()(5 * student + 2, teacher), RKDLoss()(student, teacher), rtol=1e-9, atol=0)
    assert RKDLoss()(3 * teacher - 1, teacher) < 1e-20


def test_gradients():
    torch.manual_seed(0)
    student, teacher = features(4)
    student.requires_grad_()
    teacher.requires_grad_()
    RKDLoss()(student, teacher).backward()
    assert teacher.grad is None
    assert torch.autograd.gradcheck(lambda s: RKDLoss()(s, teacher), student)


@pytest.mark.parametrize('nudge', [0., 1e-7])
def test_equal_rows_do_not_explode(nudge):
    torch.manual_seed(0)
    student, teacher = (x.float() for x in features(6))
    student[3] = student[1] * (1 + nudge)  # equal up to the last bit
    student.requires_grad_()
    loss = RKDLoss()(student, teacher)
    loss.backward()
    assert loss.isfinite() and 0 < student.grad.abs().max() < 100
    apart = student.detach()[[0, 1, 2, 4, 5]]
    torch.testing.assert_close(RKDLoss()(apart, teacher[[0, 1, 2, 4, 5]]), closed_form(
        apart, teacher[[0, 1, 2, 4, 5]]))


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize('shape', [(1, 4), (2, 2), (5, 4), (5, 4, 2, 2)])
def test_finite_at_extremes(dtype, shape):
    signs = torch.where(torch.arange(torch.Size(shape).numel()).view(shape) % 3 == 0, 1., -1.)
    for values in (1e4 * signs, torch.full(shape, 1e4), torch.zeros(shape)):
        student = values.to(dtype).requires_grad_()
        loss = RKDLoss()(student, torch.randn(shape).to(dtype))
        loss.backward()
        assert loss.dtype == torch.float32 and loss.isfinite() and student.grad.isfinite().all()


def test_wrong_use():
    with pytest.raises(UserError, match=r'the same samples from both models, got \(2, 8\) .* \(3, 8\)'):
        RKDLoss()(torch.zeros(2, 8), torch.zeros(3, 8))
    with pytest.raises(UserError, match=r'teacher features .* got \[\(2, 8\)\]'):
        RKDLoss()(torch.zeros(2, 8), [torch.zeros(2, 8)])
    with pytest.raises(UserError, match='not both 0'):
        RKDLoss(0, 0)
