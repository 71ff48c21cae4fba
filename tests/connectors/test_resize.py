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


@pytest.mark.parametrize(('built', 'goal', 'now', 'expected'), [
    ((7, 7), (7, 7), (9, 5), (9, 5)), ((8, 8), (4, 4), (10, 6), (5, 3)), ((7, 7), (14, 14), (10, 6), (20, 12)),
    ((7, 7), (16, 16), (7, 7), (16, 16)), ((8, 4), (2, 2), (2, 1), (1, 1))])
def test_other_images_are_resized_by_the_same_ratio(built, goal, now, expected):
    connector, student = ResizeConnector(4, 4, goal, student_size=built), torch.randn(2, 4, *now)
    assert connector(student).shape[2:] == expected
    assert connector(student, size=(3, 2)).shape[2:] == (3, 2)  # where the teacher's size is known
    assert ResizeConnector(4, 4, goal)(student).shape[2:] == goal


def test_what_is_no_map():
    with pytest.raises(UserError, match=r'a map \(N, C, H, W\), got \(2, 9, 4\)'):
        ResizeConnector(4, 4, (3, 3))(torch.zeros(2, 9, 4))
    with pytest.raises(UserError, match='teacher_size .* got None. Tap a map of the teacher'):
        ResizeConnector(4, 4, None)
