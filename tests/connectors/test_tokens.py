"""TokensToMapConnector and MapToTokensConnector."""
import pytest
import torch
import torch.nn.functional as F

from mmkd.connectors import MapToTokensConnector, TokensToMapConnector
from mmkd.utils import UserError


@pytest.mark.parametrize(('prefix', 'grid', 'size'), [(0, None, (3, 3)), (1, None, (3, 3)), (2, (2, 5), (2, 5))])
def test_tokens_are_laid_out_row_by_row(prefix, grid, size):
    height, width = size
    tokens = torch.randn(2, prefix + height * width, 4)
    out = TokensToMapConnector(4, 4, prefix_tokens=prefix, grid=grid)(tokens)
    assert out.shape == (2, 4, height, width)
    for row in range(height):
        for column in range(width):
            assert torch.equal(out[:, :, row, column], tokens[:, prefix + row * width + column])


@pytest.mark.parametrize('connector', [TokensToMapConnector, MapToTokensConnector])
def test_widths_are_projected_only_where_they_differ(connector):
    student = torch.randn(2, 6, 4) if connector is TokensToMapConnector else torch.randn(2, 4, 2, 3)
    student.requires_grad_()
    assert not list(connector(4, 4, grid=(2, 3)).parameters())
    wider = connector(4, 7, grid=(2, 3))
    out, same = wider(student), connector(4, 4, grid=(2, 3))(student)
    channels = 1 if out.dim() == 4 else 2
    expected = wider.project(same.movedim(channels, -1)).movedim(-1, channels)
    assert out.shape[channels] == 7
    torch.testing.assert_close(out, expected)
    out.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in (student, *wider.parameters()))


def test_map_to_tokens_is_the_inverse():
    tokens = torch.randn(2, 15, 4)
    there = TokensToMapConnector(4, 4, grid=(3, 5))(tokens)
    assert torch.equal(MapToTokensConnector(4, 4)(there), tokens)


def test_map_to_tokens_resizes_to_the_grid():
    student = torch.randn(2, 4, 7, 7)
    out = MapToTokensConnector(4, 4, grid=[3, 5])(student)
    resized = F.interpolate(student, (3, 5), mode='bilinear', align_corners=False)
    assert torch.equal(out, resized.permute(0, 2, 3, 1).reshape(2, 15, 4))


@pytest.mark.parametrize(('count', 'arguments', 'message'), [
    (10, {}, 'a square number of tokens after 0 prefix tokens, got 10. Set prefix_tokens'),
    (10, dict(prefix_tokens=1, grid=(2, 4)), '2×4 tokens after 1 prefix tokens, got 9'),
    (1, dict(prefix_tokens=1), 'after 1 prefix tokens, got 0'),
])
def test_tokens_that_fill_no_rectangle(count, arguments, message):
    with pytest.raises(UserError, match=message):
        TokensToMapConnector(4, 4, **arguments)(torch.zeros(2, count, 4))


def test_wrong_kinds_of_taps():
    with pytest.raises(UserError, match=r'expects tokens \(N, L, C\), got \(2, 4, 3, 3\)'):
        TokensToMapConnector(4, 4)(torch.zeros(2, 4, 3, 3))
    with pytest.raises(UserError, match=r'expects a map \(N, C, H, W\), got \(2, 9, 4\)'):
        MapToTokensConnector(4, 4)(torch.zeros(2, 9, 4))
