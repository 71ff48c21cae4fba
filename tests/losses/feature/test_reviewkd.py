"""ReviewKDLoss against the closed form."""
import pytest
import torch

from mmkd.losses import ReviewKDLoss
from mmkd.utils import UserError


def block_means(features, size):
    n, c, h, w = features.shape
    return features.reshape(n, c, size, h // size, size, w // size).mean((3, 5))


def mse(student, teacher):
    return ((student - teacher)**2).mean()


def closed_form(student, teacher):
    """Of maps whose sides are multiples of four, and larger."""
    parts = [mse(student, teacher)] + [mse(block_means(student, k), block_means(teacher, k)) for k in (4, 2, 1)]
    return sum(part * weight for part, weight in zip(parts, (8, 4, 2, 1))) / 15


def maps(*shape):
    return [torch.randn(3, *shape, dtype=torch.float64) * 4 for _ in range(2)]


def same(value, expected):
    torch.testing.assert_close(value, expected, rtol=1e-9, atol=0)


def test_closed_form():
    student, teacher = maps(5, 8, 12)
    same(ReviewKDLoss()(student, teacher), closed_form(student, teacher))


def test_sizes_as_large_as_the_map_do_not_count():
    student, teacher = maps(5, 4, 4)
    parts = [mse(student, teacher)] + [mse(block_means(student, k), block_means(teacher, k)) for k in (2, 1)]
    same(ReviewKDLoss()(student, teacher), (parts[0] + parts[1] / 2 + parts[2] / 4) / 1.75)
    flat = maps(5, 8, 2)
    same(ReviewKDLoss()(*flat), (mse(*flat) + mse(*(block_means(m, 1) for m in flat)) / 2) / 1.5)
    single = maps(5, 1, 1)
    same(ReviewKDLoss()(*single), mse(*single))


def test_stages_are_summed_and_pooled_features_are_maps():
    (student, teacher), (vector, other) = maps(5, 8, 8), maps(6)
    same(ReviewKDLoss()([student, vector[:, :, None, None]], [teacher, other]),
         closed_form(student, teacher) + mse(vector, other))


def test_other_pyramid():
    student, teacher = maps(5, 6, 6)
    expected = (mse(student, teacher) + mse(block_means(student, 3), block_means(teacher, 3)) / 2) / 1.5
    same(ReviewKDLoss(pool_sizes=(6, 3))(student, teacher), expected)
    same(ReviewKDLoss(pool_sizes=())(student, teacher), mse(student, teacher))
    with pytest.raises(UserError, match=r'pool_sizes to be a list, each a whole number of at least 1, got \(2, 0\)'):
        ReviewKDLoss(pool_sizes=(2, 0))


def test_gradients_and_zero():
    student, teacher = (m.requires_grad_() for m in maps(2, 3, 3))
    ReviewKDLoss()(student, teacher).backward()
    assert teacher.grad is None and student.grad.abs().sum() > 0
    assert torch.autograd.gradcheck(lambda s: ReviewKDLoss()(s, teacher), student)
    assert ReviewKDLoss()(student, student) == 0


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32])
def test_finite_at_extremes(dtype):
    for value in (0, 1e4):
        student = torch.full((1, 4, 8, 8), 1e4, dtype=dtype, requires_grad=True)
        loss = ReviewKDLoss()(student, torch.full((1, 4, 8, 8), -value, dtype=dtype))
        loss.backward()
        assert loss.isfinite() and student.grad.isfinite().all() and loss >= 0.99e8


def test_shapes_differ():
    with pytest.raises(UserError, match=r'equal N, C, H and W, got \(3, 2, 4, 4\) from the student and '
                       r'\(3, 2, 8, 8\) from .*AttentionFusionConnector'):
        ReviewKDLoss()(maps(2, 4, 4)[0], maps(2, 8, 8)[0])
    with pytest.raises(UserError, match='equal N, C, H and W, got .* Add connector'):
        ReviewKDLoss()(maps(2, 4, 4)[0], maps(3, 4, 4)[0])
