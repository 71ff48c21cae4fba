"""PKDLoss against the closed form."""
import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F

from mmkd.losses import PKDLoss
from mmkd.utils import UserError

from ...processes import run_ranks


def maps(*shape):
    return torch.randn(2, *shape, dtype=torch.float64) * 3 + 2


def standardised(features):
    return torch.stack([(x - x.mean()) / (x.std() + 1e-6) for x in features.unbind(1)], 1)


def closed_form(student, teacher):
    return ((standardised(student) - standardised(teacher))**2).mean() / 2


def test_closed_form():
    student, teacher = maps(3, 5, 4, 6)
    torch.testing.assert_close(PKDLoss()(student, teacher), closed_form(student, teacher), rtol=1e-9, atol=0)


def test_it_is_one_minus_the_correlation_of_each_channel():
    student, teacher = maps(3, 5, 4, 6)
    correlations = torch.stack([torch.corrcoef(torch.stack([s.flatten(), t.flatten()]))[0, 1]
                                for s, t in zip(student.unbind(1), teacher.unbind(1))])
    count = student.numel() / 5
    expected = (1 - correlations).mean() * (count - 1) / count
    torch.testing.assert_close(PKDLoss()(student, teacher), expected, rtol=1e-5, atol=0)
    torch.testing.assert_close(PKDLoss()(student, 3 * teacher + 7), PKDLoss()(student, teacher), rtol=1e-5, atol=0)


def test_levels_are_summed_and_resized():
    (s1, t1), (s2, _), (_, t2) = maps(3, 5, 4, 6), maps(3, 4, 2, 5), maps(3, 4, 4, 5)
    resized = F.interpolate(s2, (4, 5), mode='bilinear', align_corners=False)
    expected = closed_form(s1, t1) + closed_form(resized, t2)
    torch.testing.assert_close(PKDLoss()([s1, s2], [t1, t2]), expected, rtol=1e-9, atol=0)
    tall = maps(3, 4, 4, 2)[0]  # of the same height: theirs does not resize it
    assert PKDLoss()(tall, t2).isfinite()


def test_gradients_and_zero():
    student, teacher = maps(2, 2, 2, 3)
    student.requires_grad_()
    teacher.requires_grad_()
    assert torch.autograd.gradcheck(lambda s: PKDLoss()(s, teacher), student)
    PKDLoss()(student, teacher).backward()
    assert teacher.grad is None and student.grad.abs().sum() > 0
    assert PKDLoss()(student, student.detach()) == 0


@pytest.mark.parametrize('value', [0., 1e-3, 0.3, 1e4])
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_a_constant_channel_has_no_gradient(dtype, value):
    student = torch.randn(3, 2, 7, 5).to(dtype)
    student[:, 0] = value
    student.requires_grad_()
    loss = PKDLoss()(student, torch.randn(3, 2, 7, 5).to(dtype))
    loss.backward()
    assert loss.isfinite() and not student.grad[:, 0].any() and student.grad[:, 1].abs().max() < 1
    assert PKDLoss()(student, torch.full_like(student, value)).isfinite()


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize('shape', [(1, 2, 1, 1), (1, 2, 1, 2), (1, 2, 3, 3)])
def test_finite_at_extremes(dtype, shape):
    """A batch of one image with a single position has no deviation."""
    student = torch.zeros(shape)
    student[..., -1], student[:, 1] = 1e4, -1e4
    student = student.to(dtype).requires_grad_()
    loss = PKDLoss()(student, torch.randn(shape).to(dtype))
    loss.backward()
    assert loss.dtype == torch.float32 and loss.isfinite() and student.grad.isfinite().all()


def test_full_precision_under_autocast():
    student, teacher = maps(2, 3, 4, 4).float()
    with torch.autocast('cpu', torch.bfloat16):
        assert PKDLoss()(student, teacher) == PKDLoss()(student, teacher).float()
        low = PKDLoss()(student, teacher)
    torch.testing.assert_close(low, PKDLoss()(student, teacher))


def test_no_regions_count_as_0():
    student = torch.zeros(0, 4, 7, 7, requires_grad=True)
    loss = PKDLoss()(student, torch.zeros(0, 4, 7, 7))
    loss.backward()
    assert loss == 0 and student.grad.shape == student.shape


def own_statistics(rank: int) -> None:
    torch.manual_seed(rank)
    student, teacher = maps(2, 3, 4, 4)
    torch.testing.assert_close(PKDLoss()(student, teacher), closed_form(student, teacher), rtol=1e-9, atol=0)
    assert dist.get_world_size() == 2


@pytest.mark.processes
def test_each_process_takes_its_own_statistics(tmp_path):
    run_ranks(own_statistics, tmp_path)


def test_errors():
    with pytest.raises(UserError, match=r'equal N and C, got \(2, 3, 4, 4\) .*ConvConnector'):
        PKDLoss()(torch.zeros(2, 3, 4, 4), torch.zeros(2, 5, 4, 4))
    with pytest.raises(UserError, match='got 1 and 2. Name as many student taps'):
        PKDLoss()([torch.zeros(2, 3, 4, 4)], [torch.zeros(2, 3, 4, 4)] * 2)
