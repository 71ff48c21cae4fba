"""DistProLoss against the closed form."""
import math

import pytest
import torch

from mmkd.losses import DistProLoss
from mmkd.utils import UserError

SHAPES = dict(student=[(3, 8, 8), (4, 4, 4)], teacher=[(5, 8, 8), (6, 4, 4), (7, 2, 2)])


def maps(side: str) -> list:
    return [torch.randn(3, *shape, dtype=torch.float64) for shape in SHAPES[side]]


def build(**kwargs) -> DistProLoss:
    torch.manual_seed(0)
    loss = DistProLoss([3, 4], [5, 6, 7], **kwargs).double()
    for layer in loss.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(layer.weight, 0.5, 1.5)
            torch.nn.init.normal_(layer.bias)
    return loss


def normed(x, norm):
    mean, var = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), unbiased=False, keepdim=True)
    return (x - mean) / (var + 1e-5).sqrt() * norm.weight[:, None, None] + norm.bias[:, None, None]


def resized(x, size):
    rows = torch.arange(size) * x.shape[2] // size
    return x[:, :, rows][..., rows]


def pooled(x, size):
    n, c, h, w = x.shape
    return x.reshape(n, c, size, h // size, size, w // size).mean((3, 5))


def hcl(s, t):
    sizes = [size for size in (4, 2, 1) if size < s.shape[2]]
    parts = [((s - t)**2).mean()] + [((pooled(s, size) - pooled(t, size))**2).mean() for size in sizes]
    weights = [0.5**k for k in range(len(parts))]
    return sum(w * part for w, part in zip(weights, parts)) / sum(weights)


def conv_distances(loss, student, teacher, distance=hcl):
    """Of all pathways with one convolution: teacher stages outside, student stages inside."""
    values = []
    for index, (t, s) in enumerate((t, s) for t in teacher for s in student):
        conv, norm = loss.transforms[index].before
        projected = torch.einsum('oi,nihw->nohw', conv.weight[:, :, 0, 0], s)
        values.append(distance(resized(normed(projected, norm), t.shape[2]), t))
    return values


def same(value, expected):
    torch.testing.assert_close(value, expected, rtol=1e-9, atol=0)


def test_closed_form_for_given_alphas():
    loss, student, teacher = build(), maps('student'), maps('teacher')
    loss.alpha.copy_(torch.tensor([0., 1., -1., 2., 0.5, -3.]))
    shares = [math.exp(a) for a in loss.alpha.tolist()]
    distances = conv_distances(loss, student, teacher)
    same(loss(student, teacher), sum(w * d for w, d in zip(shares, distances)) / sum(shares))
    biased = build(normalization='biased')
    biased.alpha.copy_(loss.alpha)
    same(biased(student, teacher), sum(w * d for w, d in zip(shares, distances)) / (math.e + sum(shares)))


def test_equal_weights_without_a_search_and_mean_squares():
    loss, student, teacher = build(distance='mse'), maps('student'), maps('teacher')
    distances = conv_distances(loss, student, teacher, lambda s, t: ((s - t)**2).mean())
    same(loss(student, teacher), sum(distances) / 6)


def test_other_transforms():
    loss = build(transforms=['attention', 'deep'])
    assert loss.pathway_names[:3] == ['student 1 to teacher 1, attention', 'student 1 to teacher 1, deep',
                                      'student 2 to teacher 1, attention']
    conv2d, relu = torch.nn.functional.conv2d, torch.relu
    x = maps('student')[1]
    first, norm, attention = loss.transforms[2].before
    last, last_norm = loss.transforms[2].after
    y = normed(conv2d(x, first.weight), norm)
    y = resized(y * conv2d(y, attention.conv.weight), 8)
    same(loss.transforms[2](x, (8, 8)), normed(conv2d(y, last.weight, padding=1), last_norm))
    assert first.weight.shape == (4, 4, 1, 1) and last.weight.shape == (5, 4, 3, 3)
    first, norm, _, attention, second, second_norm, _ = loss.transforms[3].before
    last, last_norm = loss.transforms[3].after
    y = relu(normed(conv2d(x, first.weight, padding=1), norm))
    y = conv2d(y * conv2d(y, attention.conv.weight), second.weight, padding=1)
    y = resized(relu(normed(y, second_norm)), 8)
    same(loss.transforms[3](x, (8, 8)), normed(conv2d(y, last.weight, padding=1), last_norm))


def test_review_connections():
    loss = build(connections='review')
    assert [pathway[:2] for pathway in loss.pathways] == [(0, 0), (1, 0), (1, 1)]


def test_single_taps_and_pooled_features():
    loss = DistProLoss(3, 5).double()
    student, teacher = torch.randn(4, 3, dtype=torch.float64), torch.randn(4, 5, dtype=torch.float64)
    same(loss(student, teacher), conv_distances(loss, [student[..., None, None]], [teacher[..., None, None]])[0])


def test_gradients():
    loss, student, teacher = build(transforms=['conv', 'attention', 'deep']), maps('student'), maps('teacher')
    for tensor in [*student, *teacher]:
        tensor.requires_grad_()
    loss(student, teacher).backward()
    assert all(t.grad is None for t in teacher) and all(s.grad.abs().sum() > 0 for s in student)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in loss.parameters())
    assert 'alpha' in loss.state_dict() and 'alpha' not in dict(loss.named_parameters())
    small, other = (torch.randn(2, 2, 2, 2, dtype=torch.float64) for _ in range(2))
    smooth = DistProLoss(2, 2, transforms=['attention']).double()
    assert torch.autograd.gradcheck(lambda s: smooth(s, other), small.requires_grad_())


def test_gradient_for_alpha_is_that_of_a_softmax():
    """What a search relies on: the derivative for alpha of the weighted sum."""
    loss, student, teacher = build(), maps('student'), maps('teacher')
    loss.alpha.normal_()
    distances, weights = torch.stack(conv_distances(loss, student, teacher)), loss.alpha.softmax(0)
    value = loss(student, teacher)
    alpha = loss.alpha.requires_grad_()
    gradient, = torch.autograd.grad(loss(student, teacher), alpha)
    torch.testing.assert_close(gradient, weights * (distances - value), rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize('value', [1e4, -1e4, 0.])
def test_finite_at_extremes(dtype, value):
    loss = DistProLoss([3, 4], [3, 2], transforms=['conv', 'attention', 'deep'])
    student = [torch.full((1, 3, 4, 4), value, dtype=dtype, requires_grad=True),
               torch.full((1, 4, 1, 1), value, dtype=dtype, requires_grad=True)]
    teacher = [torch.full((1, 3, 4, 4), -1e4, dtype=dtype), torch.zeros(1, 2, 1, 1, dtype=dtype)]
    for alpha in (1., 1e4):
        loss.alpha[0] = alpha
        result = loss(student, teacher)
        result.backward()
        assert result.dtype == torch.float32 and result.isfinite()
        assert all(tensor.grad.isfinite().all() for tensor in [*student, *loss.parameters()])


def test_autocast_reaches_the_transforms_only():
    loss, student, teacher = build().float(), *([m.float() for m in maps(side)] for side in SHAPES)
    seen = []
    loss.transforms[0].before[0].register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    with torch.autocast('cpu', dtype=torch.bfloat16):
        result = loss(student, teacher)
    assert loss.mixed_precision and seen == [torch.bfloat16] and result.dtype == torch.float32
    assert result.item() == pytest.approx(loss(student, teacher).item(), rel=0.02)


def test_errors():
    with pytest.raises(UserError, match='normalization to be one of softmax, biased'):
        DistProLoss(3, 5, normalization='sigmoid')
    with pytest.raises(UserError, match='transforms to be a list, each one of conv, attention, deep'):
        DistProLoss(3, 5, transforms=['conv', 'linear'])
    with pytest.raises(UserError, match=r'transforms to be a list, each .*got \[\]'):
        DistProLoss(3, 5, transforms=[])
    with pytest.raises(UserError, match=r'student maps .* of \[3, 4\] channels, got \[\(3, 3, 8, 8\)\]'):
        build()(maps('student')[:1], maps('teacher'))
    with pytest.raises(UserError, match='teacher maps'):
        build()(maps('student'), maps('teacher')[::-1])
