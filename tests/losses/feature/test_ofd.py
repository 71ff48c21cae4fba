"""OFDLoss against the closed form, and its margins against integrals and means."""
import math

import pytest
import torch

from mmkd.losses import OFDLoss
from mmkd.utils import UserError

from ...processes import run_ranks


def closed_form(student, teacher, margin):
    total = 0.
    for n, c, h, w in torch.cartesian_prod(*(torch.arange(k) for k in student.shape)).tolist():
        s, t = student[n, c, h, w], teacher[n, c, h, w]
        target = max(t, margin[c])
        if s > target or t > 0:
            total += (s - target)**2
    return total / student.shape[0]


def mean_below_zero(scale, shift):
    """E[x | x < 0] of a normal distribution, by the midpoint rule."""
    x = torch.linspace(shift - 12 * scale, 0, 400_001, dtype=torch.float64)
    x = (x[1:] + x[:-1]) / 2
    density = torch.exp(-((x - shift) / scale)**2 / 2)
    return ((x * density).sum() / density.sum()).item()


def maps(*shape):
    return [torch.randn(*shape, dtype=torch.float64) * 2 for _ in range(2)]


def bound(channels=3, norms=None, **kwargs):
    loss = OFDLoss(channels, **kwargs).double()
    loss.bind(norms or [None] * (1 if isinstance(channels, int) else len(channels)))
    return loss


def known_margins(value):
    loss = bound(len(value))
    loss.margins[0].value.copy_(torch.tensor(value))
    return loss.eval()


def test_closed_form():
    student, teacher = maps(2, 3, 4, 5)
    margin = [-1., -0.25, 0.]
    torch.testing.assert_close(known_margins(margin)(student, teacher), closed_form(student, teacher, margin),
                               rtol=1e-9, atol=0)


def test_margins_of_batch_norms():
    weight, bias = torch.tensor([1., -2., 0.5, 1., 0.]).double(), torch.tensor([0.3, -1., 1.4, 4., -2.]).double()
    value = bound(5, [(weight, bias)]).margins[0].value
    expected = [mean_below_zero(abs(w), b) for w, b in zip(weight[:3].tolist(), bias[:3].tolist())]
    torch.testing.assert_close(value[:3], torch.tensor(expected).double(), rtol=1e-7, atol=0)
    assert value[3] == -3  # fewer than one in a thousand are negative
    assert value[4] == -2  # a constant
    half = bound(1, [(torch.ones(1), torch.zeros(1))]).margins[0].value
    torch.testing.assert_close(half.item(), -math.sqrt(2 / math.pi), rtol=1e-9, atol=0)


def test_stages_weigh_less_the_shallower_they_are():
    norms = [(torch.ones(c), torch.zeros(c)) for c in (3, 4, 5)]
    pairs = [maps(2, c, 4, 4) for c in (3, 4, 5)]
    loss = bound([3, 4, 5], norms)([s for s, _ in pairs], [t for _, t in pairs])
    parts = [closed_form(s, t, [-math.sqrt(2 / math.pi)] * s.shape[1]) for s, t in pairs]
    torch.testing.assert_close(loss, parts[0] / 4 + parts[1] / 2 + parts[2], rtol=1e-9, atol=0)


def test_larger_teacher_maps_are_pooled():
    student, teacher = maps(2, 3, 2, 2)[0], maps(2, 3, 4, 4)[1]
    loss = known_margins([-1., -1., -1.])
    pooled = teacher.reshape(2, 3, 2, 2, 2, 2).mean((3, 5))
    torch.testing.assert_close(loss(student, teacher), loss(student, pooled), rtol=1e-9, atol=0)


def test_margins_are_estimated_on_the_first_batches_only():
    loss = bound(3, margin_batches=2)
    batches = [maps(n, 3, 4, 4)[0] for n in (2, 5, 3)]
    batches[0][:, 1] = 1.  # a channel without negative values in the first batch
    for number, batch in enumerate(batches, start=1):
        loss(batch, batch)
        seen = min(number, 2)
        values = torch.cat([b.transpose(0, 1).flatten(1) for b in batches[:seen]], dim=1)
        expected = torch.stack([row[row < 0].mean() if (row < 0).any() else row.new_zeros(()) for row in values])
        torch.testing.assert_close(loss.margins[0].value, expected, rtol=1e-9, atol=0)
    assert loss.margins[0].batches == 2


def test_the_first_batch_is_compared_with_its_own_margin():
    student, teacher = maps(2, 3, 4, 4)
    expected = [t[t < 0].mean() for t in teacher.transpose(0, 1)]
    torch.testing.assert_close(bound()(student, teacher), closed_form(student, teacher, expected), rtol=1e-9, atol=0)


def test_margins_stand_in_evaluation_and_without_gradients():
    student, teacher = maps(2, 3, 4, 4)
    loss = bound()
    with torch.no_grad():
        loss(student, teacher)
    loss.eval()(student, teacher)
    assert loss.margins[0].value.count_nonzero() == loss.margins[0].batches == 0


def test_a_resumed_training_goes_on_estimating():
    first, second, third = (maps(2, 3, 4, 4)[0] for _ in range(3))
    whole, before, after = (bound(margin_batches=2) for _ in range(3))
    for batch in (first, second, third):
        whole(batch, batch)
    before(first, first)
    after.load_state_dict(before.state_dict())
    for batch in (second, third):
        after(batch, batch)
    assert torch.equal(whole.margins[0].value, after.margins[0].value)


def save_margins(rank, batches, folder):
    loss = bound()
    loss(batches[rank], batches[rank])
    torch.save(loss.margins[0].value, folder / f'{rank}.pth')


@pytest.mark.processes
def test_processes_estimate_the_same_margins(tmp_path):
    batches = [maps(2, 3, 4, 4)[0], maps(3, 3, 4, 4)[0]]
    run_ranks(save_margins, tmp_path, batches, tmp_path)
    one, other = (torch.load(tmp_path / f'{rank}.pth', weights_only=True) for rank in (0, 1))
    alone = bound()
    alone(torch.cat(batches), torch.cat(batches))
    assert torch.equal(one, other)
    torch.testing.assert_close(one, alone.margins[0].value, rtol=1e-9, atol=0)


def test_gradients_and_zero():
    student, teacher = (m.requires_grad_() for m in maps(2, 3, 2, 2))
    loss = known_margins([-1., -0.5, 0.])
    loss(student, teacher).backward()
    assert teacher.grad is None and student.grad.abs().sum() > 0
    assert torch.autograd.gradcheck(lambda s: loss(s, teacher), student)
    assert loss(teacher.clamp_min(-0.1) * 1., teacher.clamp_min(-0.1)) < loss(student, teacher)
    assert loss(teacher.abs(), teacher.abs()) == 0
    assert loss(torch.full_like(teacher, -5.), -teacher.abs()) == 0  # low where the teacher is negative


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize('teacher', [-1e4, 0., 1e4])
def test_finite_at_extremes(dtype, teacher):
    student = torch.full((1, 3, 8, 8), 1e4, dtype=dtype, requires_grad=True)
    loss = OFDLoss(3)
    loss.bind([None])
    value = loss(student, torch.full((1, 3, 8, 8), teacher, dtype=dtype))
    value.backward()
    assert value.isfinite() and value.dtype == torch.float32 and student.grad.isfinite().all()


def test_what_does_not_fit():
    student, teacher = maps(2, 3, 4, 4)
    with pytest.raises(UserError, match=r'Call bind\(teacher_norms='):
        OFDLoss(3)(student, teacher)
    with pytest.raises(UserError, match='each of its 2 teacher taps, got 1'):
        OFDLoss([3, 4]).bind([None])
    with pytest.raises(UserError, match='batch norm of 3 channels .* got one of 4'):
        OFDLoss(3).bind([(torch.ones(4), torch.ones(4))])
    with pytest.raises(UserError, match=r'teacher maps of \[4\] channels, got \[3\]'):
        bound(4)(student, teacher)
    with pytest.raises(UserError, match='equal N and C'):
        bound()(student[:, :2], teacher)
    with pytest.raises(UserError, match='margin_batches to be a whole number of at least 1, got 0'):
        OFDLoss(3, margin_batches=0)
