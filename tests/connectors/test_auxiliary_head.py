"""AuxiliaryHeadConnector."""
import pytest
import torch
from torch import nn

from mmkd.connectors import AuxiliaryHeadConnector
from mmkd.registry import MODELS
from mmkd.utils import UserError


@pytest.mark.parametrize('depth', [0, 1, 2, 3])
@pytest.mark.parametrize('hidden_channels', [None, 20])
def test_gives_logits_and_trains(depth, hidden_channels):
    connector = MODELS.build(dict(type='mmkd.AuxiliaryHeadConnector', student_channels=6, teacher_channels=5,
                                  depth=depth, hidden_channels=hidden_channels))
    assert connector.classifier.in_features == (hidden_channels or 6 * 2**depth)
    student = torch.randn(4, 6, 9, 8, requires_grad=True)
    out = connector(student)
    assert out.shape == (4, 5)
    out.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in (student, *connector.parameters()))


def test_each_block_halves_the_map_and_doubles_the_width():
    blocks = AuxiliaryHeadConnector(6, 5, depth=2).blocks
    x = torch.randn(2, 6, 8, 12)
    shapes = [tuple((x := block(x)).shape) for block in blocks]
    assert shapes == [(2, 12, 4, 6), (2, 24, 2, 3)]


def test_a_block_is_two_depthwise_separable_convolutions():
    (block, ) = AuxiliaryHeadConnector(6, 5, depth=1).blocks
    convs = [m for m in block if isinstance(m, nn.Conv2d)]
    assert [(c.in_channels, c.out_channels, c.kernel_size[0], c.stride[0], c.groups) for c in convs] == [
        (6, 6, 3, 2, 6), (6, 6, 1, 1, 1), (6, 6, 3, 1, 6), (6, 12, 1, 1, 1)]


def test_without_blocks_it_is_a_classifier_of_the_mean():
    connector = AuxiliaryHeadConnector(6, 5, depth=0).double()
    student = torch.randn(2, 6, 3, 4, dtype=torch.float64)
    hidden = student.mean((2, 3)) @ connector.blocks.weight[:, :, 0, 0].T + connector.blocks.bias
    expected = hidden @ connector.classifier.weight.T + connector.classifier.bias
    torch.testing.assert_close(connector(student), expected, rtol=1e-9, atol=1e-12)


def test_bad_input():
    with pytest.raises(UserError, match='depth of 0 or more, got -1'):
        AuxiliaryHeadConnector(6, 5, depth=-1)
    with pytest.raises(UserError, match=r'expects a map \(N, C, H, W\), got \(2, 10\)'):
        AuxiliaryHeadConnector(10, 5)(torch.zeros(2, 10))
