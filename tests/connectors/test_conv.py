"""ConvConnector."""
import pytest
import torch
import torch.nn.functional as F

from mmkd.connectors import ConvConnector
from mmkd.registry import MODELS
from mmkd.utils import UserError


def test_is_a_matrix_at_each_position():
    connector = ConvConnector(3, 5)
    student = torch.randn(2, 3, 4, 6)
    weight, bias = connector.conv.weight[:, :, 0, 0], connector.conv.bias
    expected = torch.einsum('oi,nihw->nohw', weight, student) + bias[:, None, None]
    torch.testing.assert_close(connector(student), expected)
    assert list(connector.state_dict()) == ['conv.weight', 'conv.bias']


@pytest.mark.parametrize('kernel_size', [1, 3, 5])
@pytest.mark.parametrize('num_convs', [1, 2, 3])
@pytest.mark.parametrize('norm', [False, True])
@pytest.mark.parametrize('act', [False, True])
def test_keeps_the_size_of_the_map_and_trains(kernel_size, num_convs, norm, act):
    connector = MODELS.build(dict(type='mmkd.ConvConnector', student_channels=3, teacher_channels=5,
                                  kernel_size=kernel_size, num_convs=num_convs, norm=norm, act=act))
    student = torch.randn(2, 3, 7, 9, requires_grad=True)
    out = connector(student)
    assert out.shape == (2, 5, 7, 9)
    (out * torch.randn_like(out)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in (student, *connector.parameters()))
    assert (out >= 0).all() == act


def batch_norm(features):
    mean, variance = features.mean((0, 2, 3), keepdim=True), features.var((0, 2, 3), unbiased=False, keepdim=True)
    return (features - mean) / (variance + 1e-5).sqrt()


def test_norm_and_activation_come_last():
    connector = ConvConnector(3, 5, norm=True, act=True).double()
    student = torch.randn(2, 3, 4, 6).double()
    expected = batch_norm(F.conv2d(student, connector.conv.weight)).clamp_min(0)
    torch.testing.assert_close(connector(student), expected, rtol=1e-9, atol=1e-12)


def test_two_convolutions_have_norm_and_activation_between_them():
    connector = ConvConnector(3, 5, kernel_size=3, num_convs=2).double()
    student = torch.randn(2, 3, 4, 6).double()
    hidden = batch_norm(F.conv2d(student, connector.hidden[0].weight, padding=1)).clamp_min(0)
    expected = F.conv2d(hidden, connector.conv.weight, connector.conv.bias, padding=1)
    torch.testing.assert_close(connector(student), expected, rtol=1e-9, atol=1e-12)


def test_arguments():
    with pytest.raises(UserError, match='odd kernel_size, got 2'):
        ConvConnector(3, 5, kernel_size=2)
    with pytest.raises(UserError, match='num_convs of at least 1, got 0'):
        ConvConnector(3, 5, num_convs=0)
