"""Norms of maps."""
import pytest
import torch
from torch import nn

from mmkd.layers import SingleValueBatchNorm2d
from mmkd.utils import UserError


def filled(norm: nn.BatchNorm2d) -> nn.BatchNorm2d:
    for name, value in [*norm.named_parameters(), *norm.named_buffers()]:
        if value.is_floating_point():
            nn.init.uniform_(value, 0.5 if name == 'running_var' else -1, 1)
    return norm


@pytest.mark.parametrize('statistics', ['own', 'running'])
def test_more_values_are_left_to_pytorch(statistics):
    norm, plain = filled(SingleValueBatchNorm2d(3, statistics)), nn.BatchNorm2d(3)
    plain.load_state_dict(norm.state_dict())
    maps = torch.randn(2, 3, 1, 1)
    assert torch.equal(norm(maps), plain(maps)) and norm.num_batches_tracked == 1
    for name, value in plain.state_dict().items():
        assert torch.equal(norm.state_dict()[name], value)
    assert torch.equal(norm.eval()(maps[:1]), plain.eval()(maps[:1]))


@pytest.mark.parametrize('statistics', ['own', 'running'])
def test_a_single_value(statistics):
    norm, maps = filled(SingleValueBatchNorm2d(3, statistics)), torch.randn(1, 3, 1, 1, requires_grad=True)
    before = {name: value.clone() for name, value in norm.state_dict().items()}
    expected = (norm.bias[:, None, None].expand(1, 3, 1, 1) if statistics == 'own' else
                (maps - norm.running_mean[:, None, None]) / (norm.running_var[:, None, None] + norm.eps).sqrt()
                * norm.weight[:, None, None] + norm.bias[:, None, None])
    torch.testing.assert_close(norm(maps), expected)
    norm(maps).sum().backward()
    assert norm.bias.grad is not None and norm.weight.grad.isfinite().all()
    assert all(torch.equal(norm.state_dict()[name], value) for name, value in before.items())


def test_a_wrong_name():
    with pytest.raises(UserError, match="statistics to be one of own, running, got 'batch'"):
        SingleValueBatchNorm2d(3, 'batch')
