"""MGDLoss against the closed form."""
import pytest
import torch
import torch.nn.functional as F

from mmkd.losses import MGDLoss
from mmkd.utils import UserError


def maps(*shape, count=2):
    return torch.randn(count, *shape, dtype=torch.float64) * 3


def closed_form(loss, student, teacher, kept, stage=0):
    weights = {name: value.detach() for name, value in loss.generators[stage].named_parameters()}
    hidden = F.conv2d(student * kept, weights['0.weight'], weights['0.bias'], padding=1).clamp(min=0)
    generated = F.conv2d(hidden, weights['2.weight'], weights['2.bias'], padding=1)
    return sum(((g - t)**2).sum() for g, t in zip(generated, teacher)) / len(student)


@pytest.mark.parametrize('mask, shape', [('channel', (3, 6, 1, 1)), ('spatial', (3, 1, 5, 4))])
def test_closed_form(mask, shape):
    student, teacher = maps(3, 6, 5, 4)
    loss = MGDLoss(6, mask=mask, mask_ratio=0.4).double()
    torch.manual_seed(3)
    kept = (torch.rand(shape) >= 0.4).double()
    assert 0 < kept.mean() < 1
    torch.manual_seed(3)
    torch.testing.assert_close(loss(student, teacher), closed_form(loss, student, teacher, kept), rtol=1e-9, atol=0)


def test_nothing_is_masked_at_zero():
    student, teacher = maps(3, 6, 5, 4)
    loss = MGDLoss(6, mask_ratio=0).double()
    torch.testing.assert_close(loss(student, teacher), closed_form(loss, student, teacher, 1.), rtol=1e-9, atol=0)


@pytest.mark.parametrize('mask', ['channel', 'spatial'])
def test_what_the_generator_sees(mask):
    loss = MGDLoss(40, mask=mask, mask_ratio=0.15)
    seen = []
    loss.generators[0].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    loss(torch.ones(50, 40, 6, 6), torch.zeros(50, 40, 6, 6))
    zero = seen[0] == 0
    assert abs(zero.double().mean() - 0.15) < 0.03
    together = zero.flatten(2) if mask == 'channel' else zero.flatten(2).transpose(1, 2)
    assert torch.equal(together.all(dim=2), together.any(dim=2))
    assert not torch.equal(zero.flatten(1).all(dim=1), zero.flatten(1).any(dim=1))
    assert not torch.equal(zero[0], zero[1])


def test_runs_repeat_and_masks_change():
    student, teacher = maps(3, 6, 5, 4)
    loss = MGDLoss(6, mask_ratio=0.5).double()
    torch.manual_seed(0)
    first, second = loss(student, teacher), loss(student, teacher)
    torch.manual_seed(0)
    assert loss(student, teacher) == first != second


def test_stages_are_summed():
    student, teacher = maps(3, 6, 5, 4)
    student2, teacher2 = maps(3, 4, 3, 3)
    loss = MGDLoss([6, 4], mask_ratio=0).double()
    expected = closed_form(loss, student, teacher, 1.) + closed_form(loss, student2, teacher2, 1., stage=1)
    torch.testing.assert_close(loss([student, student2], [teacher, teacher2]), expected, rtol=1e-9, atol=0)
    with pytest.raises(UserError, match='got 2 and 1. Name as many student taps'):
        loss([student, student2], [teacher])
    with pytest.raises(UserError, match='teacher_channels, which are 2, got 1'):
        loss(student, teacher)


def test_zero_when_the_generator_restores_the_teacher():
    loss = MGDLoss(4, mask_ratio=0).double()
    for layer in (loss.generators[0][0], loss.generators[0][2]):
        torch.nn.init.dirac_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    student = torch.rand(2, 4, 3, 3, dtype=torch.float64)
    assert loss(student, student.clone()) == 0
    assert loss(student, student + 1).item() == pytest.approx(4 * 3 * 3)


def test_gradients():
    student, teacher = maps(2, 3, 3, 2)
    student.requires_grad_()
    teacher.requires_grad_()
    loss = MGDLoss(3, mask_ratio=0.3).double()

    def seeded(value):
        torch.manual_seed(1)
        return loss(value, teacher)

    assert torch.autograd.gradcheck(seeded, student)
    seeded(student).backward()
    assert teacher.grad is None
    assert all(parameter.grad.abs().sum() > 0 for parameter in loss.parameters())


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize('value', [1e4, -1e4, 0.])
def test_finite_at_extremes(dtype, value):
    student = torch.full((1, 4, 2, 2), value, dtype=dtype, requires_grad=True)
    loss = MGDLoss(4)
    for other in (torch.zeros_like(student), torch.full_like(student, -1e4)):
        result = loss(student, other)
        result.backward()
        assert result.dtype == torch.float32
        assert result.isfinite() and student.grad.isfinite().all()
        assert all(parameter.grad.isfinite().all() for parameter in loss.parameters())


def test_autocast_reaches_the_generator_only():
    student, teacher = maps(2, 8, 4, 4).float()
    loss = MGDLoss(8, mask_ratio=0)
    seen = []
    loss.generators[0].register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    with torch.autocast('cpu', dtype=torch.bfloat16):
        result = loss(student, teacher)
    assert loss.mixed_precision and seen == [torch.bfloat16] and result.dtype == torch.float32
    assert result.item() == pytest.approx(loss(student, teacher).item(), rel=0.02)


def test_errors():
    with pytest.raises(UserError, match='one of channel, spatial'):
        MGDLoss(4, mask='pixel')
    with pytest.raises(UserError, match='from 0 to below 1, got 1'):
        MGDLoss(4, mask_ratio=1)
    with pytest.raises(UserError, match=r'\(2, 8, 7, 7\) from the student and \(2, 16, 7, 7\) from the teacher'):
        MGDLoss(16)(torch.zeros(2, 8, 7, 7), torch.zeros(2, 16, 7, 7))
    with pytest.raises(UserError, match='set the input_size'):
        MGDLoss(16)(torch.zeros(2, 16, 7, 7), torch.zeros(2, 16, 14, 14))
