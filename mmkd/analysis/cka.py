"""Centred kernel alignment: how alike two layers see the same images, whatever their widths and axes are."""
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mmkd.utils import UserError
from mmkd.utils.randomness import generator_of

LEAST = 4  # images a batch, for the unbiased estimate
CHUNK = 2**22  # elements that are float64 at a time
Features = Callable[[Tensor, Tensor | None], Mapping[str, Tensor]]  # of images and labels


class Alignment(NamedTuple):
    """CKA of each of some features with each of some others.

    Args:
        values: (rows, columns).
        rows: Names of the features along the first axis.
        columns: Names of those along the second.
        batches: How many batches were averaged.
    """
    values: np.ndarray
    rows: list[str]
    columns: list[str]
    batches: int


class MinibatchCKA:
    r"""Linear CKA over minibatches, with the unbiased estimate of HSIC.

    .. math:: CKA(X, Y) = \frac{\sum_b HSIC_1(K_b, L_b)}
                               {\sqrt{\sum_b HSIC_1(K_b, K_b)}\,\sqrt{\sum_b HSIC_1(L_b, L_b)}}, \quad
              HSIC_1(K, L) = \frac{1}{n(n-3)} \Big( tr(\tilde K \tilde L)
              + \frac{1^T \tilde K 1\, 1^T \tilde L 1}{(n-1)(n-2)} - \frac{2}{n-2} 1^T \tilde K \tilde L 1 \Big)

    with :math:`K = X X^T` of a batch, and :math:`\tilde K` the same with zeros on its diagonal. It is computed as an
    inner product of U-centred matrices, which is equal to it (Székely and Rizzo, 2014): each layer then costs one
    matrix product a batch, and a pair of layers one inner product.

    Source: Nguyen et al., Do Wide and Deep Networks Learn the Same Things?, 2021, arXiv 2010.15327, Eq. 2 and 3;
    Kornblith et al., Similarity of Neural Network Representations Revisited, 2019, arXiv 1905.00414.
    Differs from the authors' code: nothing.

    All batches have to be of one size, or the estimate would weigh them by their images; leave out a last one with
    fewer. Everything is float64.
    """

    def __init__(self) -> None:
        self._sums: tuple[Tensor, Tensor, Tensor] | None = None
        self._names: tuple[list[str], list[str]] | None = None
        self._batches = 0

    def update(self, rows: Mapping[str, Tensor], columns: Mapping[str, Tensor]) -> None:
        """Takes in a batch.

        Args:
            rows: Name to feature (N, …); all that follows the first axis is one vector.
            columns: The same along the second axis of the result.

        Raises:
            UserError: The batch has fewer than four images.
        """
        names = list(rows), list(columns)
        first, second = _centred(rows), _centred(columns)
        sums = first @ second.T, (first * first).sum(1), (second * second).sum(1)
        if self._sums is not None:
            sums = (self._sums[0] + sums[0], self._sums[1] + sums[1], self._sums[2] + sums[2])
        self._sums, self._names, self._batches = sums, names, self._batches + 1

    def result(self) -> Alignment:
        """CKA over all batches: NaN for a feature that is the same for all images.

        Raises:
            UserError: There was no batch.
        """
        if self._sums is None or self._names is None:
            raise UserError('CKA expects at least one full batch of images, got none. Lower --batch-size or give more '
                            'images.')
        products, rows, columns = self._sums
        values = products / (rows.sqrt()[:, None] * columns.sqrt()[None])
        return Alignment(values.cpu().numpy(), *self._names, self._batches)


@torch.no_grad()
def align(batches: Iterable[tuple[Tensor, Tensor | None]], rows: Features, columns: Features) -> Alignment:
    """CKA of all features of one kind with all of another; a last batch with fewer images is left out.

    Args:
        batches: Images and labels.
        rows: Gives the features along the first axis of the result for a batch.
        columns: Gives those along the second. If it is the same function, it is called once.

    Raises:
        UserError: A batch has fewer than four images, or there is none.
    """
    measure, size = MinibatchCKA(), 0
    for images, labels in batches:
        size = size or len(images)
        if len(images) == size:
            first = rows(images, labels)
            measure.update(first, first if columns is rows else columns(images, labels))
    return measure.result()


def _centred(features: Mapping[str, Tensor]) -> Tensor:
    """The U-centred Gram matrix of each feature, as rows (features, N²)."""
    return torch.stack([_u_centred(gram_matrix(feature)).flatten() for feature in features.values()])


def gram_matrix(feature: Tensor) -> Tensor:
    """Inner products of all pairs of images in float64, (N, N).

    Args:
        feature: (N, …), of any type; it is converted piece by piece.
    """
    flat = feature.detach().flatten(1)
    width = max(CHUNK // len(flat), 1)
    total = torch.zeros(len(flat), len(flat), dtype=torch.float64, device=flat.device)
    for piece in flat.split(width, dim=1):
        piece = piece.double()
        total.addmm_(piece, piece.T)
    return total


def _u_centred(gram: Tensor) -> Tensor:
    count = len(gram)
    if count < LEAST:
        raise UserError(f'CKA expects batches of at least {LEAST} images, got {count}. Raise --batch-size or give more '
                        'images.')
    gram = gram.clone().fill_diagonal_(0)
    sums = gram.sum(0)
    gram = gram - sums[None] / (count - 2) - sums[:, None] / (count - 2) + sums.sum() / ((count - 1) * (count - 2))
    return gram.fill_diagonal_(0)


def at_positions(feature: Tensor, positions: int | None, seed: int = 0) -> Tensor:
    """A map at some random positions only, the same ones for all images; anything else as it is.

    A map of (N, 96, 256, 256) takes 25 MB an image; at 64 positions 25 kB.

    Args:
        feature: (N, C, H, W), or of other dimensions.
        positions: How many; None or more than there are takes all.
        seed: Of the draw.

    Returns:
        (N, C, positions), or the feature.
    """
    if positions is None or feature.dim() != 4 or feature.shape[2] * feature.shape[3] <= positions:
        return feature
    size = feature.shape[2] * feature.shape[3]
    chosen = torch.randperm(size, generator=generator_of(seed, size))[:positions].sort().values
    return feature.flatten(2)[..., chosen.to(feature.device)]


def channel_groups(name: str, feature: Tensor, groups: int) -> dict[str, Tensor]:
    """A wide feature cut into groups of neighbouring channels, as ConvNeSt's Fig. 6 has it.

    Args:
        name: What the names of the groups begin with.
        feature: (N, C, …).
        groups: How many; the last one takes the channels that are left over.

    Raises:
        UserError: There are fewer channels than groups.
    """
    width = feature.shape[1] // groups
    if not width:
        raise UserError(f'{groups} groups expect at least {groups} channels, got {feature.shape[1]} of {name}. Lower '
                        '--groups or name a wider tap.')
    ends = [width * group for group in range(groups)] + [feature.shape[1]]
    return {f'{name} group {group + 1}': feature[:, ends[group]:ends[group + 1]] for group in range(groups)}


def one_hot_labels(labels: Tensor, classes: int | None = None) -> Tensor:
    """Labels as features (N, classes) for CKA with the classes."""
    return F.one_hot(labels, max(classes or 0, int(labels.max()) + 1)).double()
