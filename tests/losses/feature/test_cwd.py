"""CWDLoss against the closed form."""
import pytest
import torch

from mmkd.losses import CWDLoss
from mmkd.utils import UserError

from ..segmentation import segmented


def maps(*shape):
    return torch.randn(2, *shape, dtype=torch.float64) * 3


def closed_form(student, teacher, temperature, kept=None):
    """Channel by channel; without labels (H, W) an image does not count."""
    total, images = 0, 0
    for n in range(len(student)):
        flags = torch.ones(student.shape[2:], dtype=bool) if kept is None else kept[n]
        if not flags.any():
            continue
        images += 1
        for s, t in zip(student[n], teacher[n]):
            s, t = s[flags] / temperature, t[flags] / temperature
            p, q = t.exp() / t.exp().sum(), s.exp() / s.exp().sum()
            total += (p * (p / q).log()).sum() / student.shape[1]
    return temperature**2 * total / images


@pytest.mark.parametrize('temperature', [1.0, 4.0])
def test_closed_form(temperature):
    student, teacher = maps(3, 5, 4, 6)
    expected = closed_form(student, teacher, temperature)
    torch.testing.assert_close(CWDLoss(temperature)(student, teacher), expected, rtol=1e-9, atol=0)


def test_positions_without_a_label_are_left_out():
    student, teacher = maps(3, 5, 4, 6)
    labels = torch.randint(3, (3, 4, 6))
    labels[0, :2], labels[1] = 255, 255
    samples = segmented(labels)
    expected = closed_form(student, teacher, 4.0, labels != 255)
    torch.testing.assert_close(CWDLoss()(student, teacher, data_samples=samples), expected, rtol=1e-9, atol=0)
    everywhere = closed_form(student, teacher, 4.0)
    torch.testing.assert_close(CWDLoss(keep_ignored=True)(student, teacher, data_samples=samples), everywhere)
    torch.testing.assert_close(CWDLoss(ignore_index=9)(student, teacher, data_samples=samples), everywhere)


def test_what_lies_on_ignored_positions_does_not_matter():
    student, teacher = maps(2, 3, 4, 4)
    labels = torch.zeros(2, 4, 4, dtype=torch.uint8)
    labels[:, 1] = 255
    student.requires_grad_()
    value = CWDLoss()(student, teacher, data_samples=segmented(labels))
    value.backward()
    assert not student.grad[:, :, 1].any() and student.grad[:, :, 0].all()
    changed = student.detach().clone()
    changed[:, :, 1] = 1e4
    assert CWDLoss()(changed, teacher, data_samples=segmented(labels)) == value


def test_all_pixels_ignored():
    student, teacher = maps(2, 3, 4, 4)
    student.requires_grad_()
    value = CWDLoss()(student, teacher, data_samples=segmented(torch.full((2, 4, 4), 255)))
    value.backward()
    assert value == 0 and not student.grad.any()


def test_levels_are_summed_and_a_batch_of_one():
    (s1, t1), (s2, t2) = maps(1, 3, 4, 4), maps(1, 3, 2, 2)
    torch.testing.assert_close(CWDLoss()([s1, s2], [t1, t2]), closed_form(s1, t1, 4) + closed_form(s2, t2, 4))


def test_gradients_and_zero():
    student, teacher = maps(2, 2, 2, 3)
    student.requires_grad_()
    teacher.requires_grad_()
    assert torch.autograd.gradcheck(lambda s: CWDLoss()(s, teacher), student)
    CWDLoss()(student, teacher).backward()
    assert teacher.grad is None and student.grad.abs().sum() > 0
    shifted = student.detach() + torch.arange(2.)[None, :, None, None]  # a distribution knows no offset of a channel
    assert CWDLoss()(student, shifted).abs() < 1e-12


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize('ignored', [False, True])
def test_finite_at_extremes(dtype, ignored):
    student = torch.zeros(1, 2, 4, 4)
    student[0, :, 0, 0], student[0, 1, 1, 1] = 1e4, -1e4
    teacher, student = student.flip(2).to(dtype), student.to(dtype).requires_grad_()
    labels = torch.zeros(1, 4, 4, dtype=torch.uint8)
    labels[0, 3] = 255
    value = CWDLoss(1.0)(student, teacher, data_samples=segmented(labels) if ignored else None)
    value.backward()
    assert value.dtype == torch.float32 and value.isfinite() and student.grad.isfinite().all()


def test_errors():
    with pytest.raises(UserError, match=r'same classes.*tap levels of the same stride'):
        CWDLoss()(torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 8, 8))
    with pytest.raises(UserError, match=r'\(2, 3, 4, 4\) from the student and \(2, 5, 4, 4\) .*For class'):
        CWDLoss()(torch.zeros(2, 3, 4, 4), torch.zeros(2, 5, 4, 4))
    with pytest.raises(UserError, match=r'student maps \(N, C, H, W\), got \(2, 3\)'):
        CWDLoss()(torch.zeros(2, 3), torch.zeros(2, 3))
    with pytest.raises(UserError, match='got 1 and 2'):
        CWDLoss()([torch.zeros(2, 3, 4, 4)], [torch.zeros(2, 3, 4, 4)] * 2)
