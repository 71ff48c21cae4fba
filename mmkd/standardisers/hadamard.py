"""Hadamard matrices: orthogonal, and all entries of one size."""
import torch
from torch import Tensor

from mmkd.utils import UserError


def hadamard(size: int) -> Tensor:
    r"""An orthogonal matrix whose entries are all :math:`\pm 1/\sqrt{size}`.

    Sylvester's doubling for powers of two; for other sizes Paley's first or second construction of the smallest factor
    for which there is one, doubled: 384 = 12 · 32, 768 = 12 · 64, 1152 = 36 · 32, 1280 = 20 · 64.

    Source: Ranzinger et al., PHI-S: Distribution Balancing for Label-Free Multi-Teacher Distillation, 2024,
    arXiv 2410.01680, whose published code builds them so.
    Differs from it: a size without such a construction is an error; there a random orthogonal matrix stands in.

    Args:
        size: Rows and columns.

    Returns:
        The matrix in float64.

    Raises:
        UserError: There is no matrix of this size, or none that these constructions give.
    """
    core, doublings = size, 0
    found = None
    while core >= 1:  # the last core that has a construction is the smallest
        if _has_construction(core):
            found = core, doublings
        if core % 2:
            break
        core, doublings = core // 2, doublings + 1
    if found is None:
        raise UserError(f'PHIS expects a number of channels that has a Hadamard matrix by the constructions of '
                        f'Sylvester and Paley, such as 384, 512, 768, 1024 or 1152, got {size}. Use '
                        'mmkd.ChannelStandardisation.')
    matrix = _core(found[0])
    for _ in range(found[1]):
        matrix = torch.cat([torch.cat([matrix, matrix], 1), torch.cat([matrix, -matrix], 1)])
    return matrix / size**0.5


def _has_construction(size: int) -> bool:
    return size == 1 or _is_first(size) or _is_second(size)


def _is_first(size: int) -> bool:
    return size % 4 == 0 and _is_prime(size - 1)


def _is_second(size: int) -> bool:
    return size % 4 == 0 and (size // 2 - 1) % 4 == 1 and _is_prime(size // 2 - 1)


def _core(size: int) -> Tensor:
    if size == 1:
        return torch.ones(1, 1, dtype=torch.float64)
    if _is_first(size):
        skew = _bordered(size - 1)
        skew[1:, 0] = -1
        return skew + torch.eye(size, dtype=torch.float64)
    symmetric = _bordered(size // 2 - 1)
    on, off = torch.tensor([[1., -1.], [-1., -1.]]).double(), torch.tensor([[1., 1.], [1., -1.]]).double()
    return torch.kron(symmetric, off) + torch.kron(torch.eye(size // 2, dtype=torch.float64), on)


def _bordered(prime: int) -> Tensor:
    """Paley's matrix of a prime q, bordered by ones: entry (i, j) is 1 if i - j is a square modulo q, else -1."""
    squares = torch.full((prime, ), -1., dtype=torch.float64)
    squares[torch.arange(1, prime)**2 % prime] = 1
    squares[0] = 0
    numbers = torch.arange(prime)
    matrix = torch.ones(prime + 1, prime + 1, dtype=torch.float64)
    matrix[0, 0] = 0
    matrix[1:, 1:] = squares[(numbers[:, None] - numbers) % prime]
    return matrix


def _is_prime(number: int) -> bool:
    return number > 1 and all(number % divisor for divisor in range(2, int(number**0.5) + 1))
