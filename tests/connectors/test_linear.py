"""LinearConnector."""
import pytest
import torch

from mmkd.connectors import LinearConnector
from mmkd.utils import UserError


@pytest.mark.parametrize('shape', [(2,), (2, 7)])
def test_is_a_matrix_for_each_feature(shape):
    connector = LinearConnector(3, 5)
    student = torch.randn(*shape, 3, requires_grad=True)
    out = connector(student)
    expected = torch.einsum('oi,...i->...o', connector.linear.weight, student) + connector.linear.bias
    torch.testing.assert_close(out, expected)
    out.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in (student, *connector.parameters()))


def test_bias_is_an_option():
    assert LinearConnector(3, 5, bias=False)(torch.zeros(2, 3)).count_nonzero() == 0


@pytest.mark.parametrize('shape', [(2, 3, 4, 3), (2, 4)])
def test_maps_and_other_widths(shape):
    with pytest.raises(UserError, match=r'expects \(N, 3\) or tokens \(N, L, 3\), got .*mmkd.ConvConnector for maps'):
        LinearConnector(3, 5)(torch.zeros(shape))
