"""ResizeConnector."""
import pytest
import torch
import torch.nn.functional as F

from mmkd.connectors import ResizeConnector
from mmkd.utils import UserError


@pytest.mark.parametrize('size', [(3, 4), (7, 7), (14, 9)])
def test_resizes(size):
    student = torch.randn(2, 4, 7, 7)
    connector = ResizeConnector(4, 4, teacher_size=size)
    assert not list(connector.parameters())
    expected = F.interpolate(student, size, mode='bilinear', align_corners=False)
    torch.testing.assert_close(connector(student), expected)


def test_halving_is_a_mean_of_four():
    student = torch.randn(2, 4, 6, 6)
    torch.testing.assert_close(ResizeConnector(4, 4, [3, 3])(student), F.avg_pool2d(student, 2))


def test_projects_other_widths():
    student = torch.randn(2, 4, 7, 7, requires_grad=True)
    connector = ResizeConnector(4, 6, (3, 5))
    out = connector(student)
    resized = F.interpolate(student, (3, 5), mode='bilinear', align_corners=False)
    torch.testing.assert_close(out, connector.project(resized))
    out.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in (student, *connector.parameters()))


def test_equal_sizes_stay_equal_for_other_images():
    assert ResizeConnector(4, 4, (7, 7), student_size=(7, 7))(torch.zeros(2, 4, 9, 5)).shape == (2, 4, 9, 5)
    assert ResizeConnector(4, 4, (7, 7), student_size=(8, 8))(torch.zeros(2, 4, 9, 5)).shape == (2, 4, 7, 7)


def test_what_is_no_map():
    with pytest.raises(UserError, match=r'a map \(N, C, H, W\), got \(2, 9, 4\)'):
        ResizeConnector(4, 4, (3, 3))(torch.zeros(2, 9, 4))
    with pytest.raises(UserError, match='teacher_size .* got None. Tap a map of the teacher'):
        ResizeConnector(4, 4, None)
