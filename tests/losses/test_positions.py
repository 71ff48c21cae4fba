"""Student and teacher features at the same positions."""
import pytest
import torch
import torch.nn.functional as F

from mmkd.losses import FitNetLoss
from mmkd.losses.positions import pair_positions
from mmkd.utils import UserError

LOSS = FitNetLoss()


def test_the_student_is_resized_to_the_teachers_grid():
    student, teacher = torch.randn(2, 3, 7, 7), torch.randn(2, 3, 16, 16)
    (s, t), = pair_positions(LOSS, student, teacher)
    assert torch.equal(s, F.interpolate(student, (16, 16), mode='bilinear', align_corners=False))
    assert torch.equal(t, teacher)


@pytest.mark.parametrize('shape', [(2, 3), (2, 3, 1, 1)])
def test_a_map_is_averaged_for_a_pooled_teacher(shape):
    """Bilinear resizing to one position would take the value in the middle."""
    student = torch.randn(2, 3, 7, 7)
    (s, t), = pair_positions(LOSS, student, torch.randn(shape))
    torch.testing.assert_close(s[:, :, 0, 0], student.mean((2, 3)))
    assert s.shape == t.shape == (2, 3, 1, 1)


def test_a_pooled_student_has_no_positions():
    with pytest.raises(UserError, match=r'a map of the student for a map of the teacher, got \(2, 3\) and'):
        pair_positions(LOSS, torch.randn(2, 3), torch.randn(2, 3, 7, 7))
    with pytest.raises(UserError, match='got 2 and 1'):
        pair_positions(LOSS, [torch.randn(2, 3)] * 2, torch.randn(2, 3))
