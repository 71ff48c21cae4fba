"""What feature maps are made of: their frequencies, and how far a student is from its teacher beside the mean."""
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mmkd.utils import UserError

from .tap_reader import expect_map


@dataclass(frozen=True)
class Spectrum:
    """The frequencies of a map.

    Args:
        magnitudes: Mean absolute coefficient of each frequency, (H, W); the direct component is at (0, 0).
        energies: Mean squared coefficient, (H, W).
        images: How many images were averaged.
    """
    magnitudes: np.ndarray
    energies: np.ndarray
    images: int

    @property
    def direct_share(self) -> float:
        """The direct component's share of all magnitudes; NaN for a map of zeros."""
        return _share(self.magnitudes)

    @property
    def direct_energy(self) -> float:
        """The direct component's share of the energy; NaN for a map of zeros."""
        return _share(self.energies)


def _share(values: np.ndarray) -> float:
    total = values.sum()
    return float(values[0, 0] / total) if total else float('nan')


def cosine_transform(maps: Tensor) -> np.ndarray:
    """The orthonormal 2-D cosine transform (type 2) of each channel of each image.

    Args:
        maps: (N, C, H, W).

    Returns:
        Coefficients in float64, of the same shape. The sum of their squares is that of the map (Parseval).

    Raises:
        UserError: SciPy is not installed.
    """
    need_scipy()
    from scipy.fft import dctn
    return dctn(maps.detach().cpu().double().numpy(), type=2, norm='ortho', axes=(2, 3))


def need_scipy() -> None:
    """Says how to install SciPy where it is missing.

    Raises:
        UserError: It is missing.
    """
    try:
        import scipy.fft  # noqa: F401
    except ImportError as error:
        raise UserError('frequencies expect SciPy, which is not installed. Install it: pip install scipy.') from error


def spectrum(batches: Iterable[Tensor], read: Callable[[Tensor], Tensor], name: str) -> Spectrum:
    """Averages the absolute cosine transform of a map over images and channels.

    Source: Fan et al., ScaleKD, 2024, arXiv 2411.06786, Figs. 2 and 5.
    Differs from the authors' code: none of these figures is public.

    Args:
        batches: Images, normalised as the model wants them.
        read: Gives the map (N, C, H, W) of a batch.
        name: What the map is called in messages.

    Raises:
        UserError: It is no map, not finite, changes its size, or there are no images.
    """
    magnitudes = energies = np.zeros(())
    images = 0
    with torch.no_grad():
        for batch in batches:
            coefficients = cosine_transform(expect_map(name, read(batch)))
            if not np.isfinite(coefficients).all():
                raise UserError(f'the frequencies of {name} expect finite features, got others. Check the weights.')
            if images and coefficients.shape[2:] != magnitudes.shape:
                raise UserError(f'the frequencies of {name} expect maps of one size, got {magnitudes.shape} and '
                                f'{coefficients.shape[2:]}. Give images of one size.')
            magnitudes = magnitudes + np.abs(coefficients).mean(1).sum(0)
            energies = energies + np.square(coefficients).mean(1).sum(0)
            images += len(batch)
    if not images:
        raise UserError(f'the frequencies of {name} expect at least one image, got none. Give some by --images.')
    return Spectrum(magnitudes / images, energies / images, images)


def alternative_distances(student: Tensor, teacher: Tensor, normalised: bool = True) -> Tensor:
    r"""How far the student's map is from the teacher's beside their direct components, for each image.

    .. math:: d_n = \sqrt{\frac{1}{HW} \sum_p \big\|\widehat{\phi(S)}_{np} - \widehat{\phi(T)}_{np}\big\|^2_2}

    where :math:`\phi` takes the mean over the positions away, which is the direct component of a cosine transform, and
    hats are vectors of length 1 at each position, as ScaleKD's loss compares them: 0 for equal directions, √2 for
    unrelated ones, 2 for opposite ones.

    Source: Fan et al., ScaleKD, 2024, arXiv 2411.06786, Figs. 3 and 6, which show such differences projected to a
    plane; here they are numbers, so that recipes can be compared.

    Args:
        student: The student's map behind its trained connector, (N, C, H, W).
        teacher: The teacher's map, of the same shape.
        normalised: Whether to compare directions. Without, the scale of the features counts.

    Returns:
        (N,).

    Raises:
        UserError: The shapes differ, or they are no maps.
    """
    if student.shape != teacher.shape or student.dim() != 4:
        raise UserError(f'feature distances expect two maps (N, C, H, W) of one shape, got {tuple(student.shape)} of '
                        f'the student and {tuple(teacher.shape)} of the teacher. Take a term whose connector gives the '
                        "teacher's shape.")
    if student.shape[2] * student.shape[3] == 1:
        raise UserError('feature distances beside the direct component expect maps of several positions, got 1×1. Take '
                        'a term of an earlier stage, or raise --size.')
    views = [value.double() - value.double().mean((2, 3), keepdim=True) for value in (student, teacher)]
    if normalised:
        views = [F.normalize(view, dim=1, eps=1e-12) for view in views]
    return (views[0] - views[1]).square().sum(1).mean((1, 2)).sqrt()
