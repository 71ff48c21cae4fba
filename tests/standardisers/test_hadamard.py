"""Hadamard matrices of the widths that teachers have."""
import pytest
import torch

from mmkd.standardisers.hadamard import hadamard
from mmkd.utils import UserError


@pytest.mark.parametrize('size', [1, 2, 4, 8, 12, 16, 20, 28, 36, 44, 48, 192, 384, 768, 1024, 1152, 1280, 1408, 1536])
def test_orthogonal_with_entries_of_one_size(size):
    matrix = hadamard(size)
    assert matrix.shape == (size, size) and matrix.dtype == torch.float64
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(size, dtype=torch.float64), atol=1e-12, rtol=0)
    torch.testing.assert_close(matrix.abs(), torch.full_like(matrix, size**-0.5))


def test_closed_form_of_powers_of_two():
    torch.testing.assert_close(2 * hadamard(4), torch.tensor(
        [[1., 1., 1., 1.], [1., -1., 1., -1.], [1., 1., -1., -1.], [1., -1., -1., 1.]]).double())
    rows = torch.arange(64)
    bits = (rows[:, None] & rows).tolist()
    expected = torch.tensor([[(-1.)**bin(value).count('1') for value in row] for row in bits]).double() / 8
    torch.testing.assert_close(hadamard(64), expected)  # (-1)^(i·j), over bits


@pytest.mark.parametrize('size', [3, 6, 10, 100 + 2, 92])
def test_sizes_without_a_construction(size):
    with pytest.raises(UserError, match=f'got {size}. Use mmkd.ChannelStandardisation'):
        hadamard(size)
