"""ConvConnector."""
import pytest
import torch

from mmkd.connectors import ConvConnector
from mmkd.registry import MODELS


def test_is_a_matrix_at_each_position():
    connector = ConvConnector(3, 5)
    student = torch.randn(2, 3, 4, 6)
    weight, bias = connector.conv.weight[:, :, 0, 0], connector.conv.bias
    expected = torch.einsum('oi,nihw->nohw', weight, student) + bias[:, None, None]
    torch.testing.assert_close(connector(student), expected)


@pytest.mark.parametrize('kernel_size', [1, 3, 5])
def test_keeps_the_size_of_the_map_and_trains(kernel_size):
    connector = MODELS.build(dict(type='mmkd.ConvConnector', student_channels=3, teacher_channels=5,
                                  kernel_size=kernel_size))
    student = torch.randn(2, 3, 7, 9, requires_grad=True)
    out = connector(student)
    assert out.shape == (2, 5, 7, 9)
    out.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in (student, *connector.parameters()))
