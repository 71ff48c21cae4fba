"""A linear classifier on frozen features, in closed form."""
from collections.abc import Iterable, Iterator
from functools import reduce
from operator import add

import torch
from torch import Tensor

CHUNK = 8192  # images that are in double precision at the same time
STRENGTHS = tuple(10.**power for power in range(-6, 2))  # of the penalty, per image


class RidgeProbe:
    r"""Ridge regression of the classes on standardised features; its penalty is the best of a few by leave-one-out.

    A closed form is chosen over logistic regression: it has no step size, no stopping rule and no random numbers, so
    equal features give equal figures in every process; and the error with each image left out comes with the solution.
    It takes a few passes over the images and the eigenvectors of one C×C matrix. It is what
    ``sklearn.linear_model.RidgeClassifierCV`` computes on standardised features, with penalties of :data:`STRENGTHS`
    times the number of images.

    Args:
        features: Features (M, C) of labelled images.
        labels: Their classes (M,).
        classes: Number of classes.
        device: Where to compute, in double precision.

    Attributes:
        strength: The penalty that was chosen, per image.
    """

    def __init__(self, features: Tensor, labels: Tensor, classes: int, device: torch.device | str = 'cpu') -> None:
        self.device, self.classes, self.images = device, classes, len(features)
        self.mean, self.scale = torch.zeros((), device=device), torch.ones((), device=device)
        self.mean = _sum(piece.sum(0) for piece in self._pieces(features)) / self.images
        variance = _sum(piece.square().sum(0) for piece in self._pieces(features)) / self.images
        constant = variance <= 1e-12 * variance.max()
        self.scale = torch.where(constant, 0., variance.rsqrt())  # a channel that never changes says nothing
        shares = torch.bincount(labels, minlength=classes).to(device, torch.float64) / self.images
        self.intercept = 2 * shares - 1
        values, vectors = torch.linalg.eigh(_sum(piece.T @ piece for piece in self._pieces(features)))
        values = values.clamp_min(0.)
        products = _sum(piece.T @ target for piece, target in self._pairs(features, labels))
        rotated = vectors.T @ products  # (C, classes)
        self.strength = self._choose(features, labels, values, vectors, rotated)
        self.weight = vectors @ (rotated / (values + self.strength * self.images)[:, None])

    def scores(self, features: Tensor) -> Tensor:
        """The scores (N, classes) of images, on the CPU; the highest is the class."""
        return torch.cat([(piece @ self.weight + self.intercept).cpu() for piece in self._pieces(features)])

    def _pieces(self, features: Tensor) -> Iterator[Tensor]:
        """The features, standardised as far as mean and scale are known."""
        for piece in features.split(CHUNK):
            yield (piece.to(self.device, torch.float64) - self.mean) * self.scale

    def _pairs(self, features: Tensor, labels: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Features, and targets of -1 and 1 less their means."""
        for piece, part in zip(self._pieces(features), labels.split(CHUNK), strict=True):
            target = piece.new_full((len(piece), self.classes), -1.)
            yield piece, target.scatter_(1, part.to(self.device)[:, None], 1.) - self.intercept

    def _choose(self, features: Tensor, labels: Tensor, values: Tensor, vectors: Tensor, rotated: Tensor) -> float:
        r"""The penalty with the least squared error of images left out, :math:`(y - \hat y) / (1 - h)`."""
        errors = torch.zeros(len(STRENGTHS), dtype=torch.float64)
        for piece, target in self._pairs(features, labels):
            turned = piece @ vectors  # (M, C)
            for place, strength in enumerate(STRENGTHS):
                inverse = 1 / (values + strength * self.images)
                leverage = turned.square() @ inverse + 1 / self.images
                left_out = (target - turned @ (rotated * inverse[:, None])) / (1 - leverage).clamp_min(1e-12)[:, None]
                errors[place] += left_out.square().sum().cpu()
        return STRENGTHS[int(errors.argmin())]


def _sum(values: Iterable[Tensor]) -> Tensor:
    """A running sum, so that only one of them is in memory."""
    return reduce(add, values)
