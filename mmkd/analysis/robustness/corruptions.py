"""The 15 corruptions of ImageNet-C, made on the fly and the same for all who ask."""
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from mmkd.datasets.classification.imagenet_variants import CORRUPTIONS, EXTRA_CORRUPTIONS, SEVERITIES
from mmkd.utils import UserError, nearest

SMALLEST = 32  # pixels
KNOWN = CORRUPTIONS + EXTRA_CORRUPTIONS
OWN_SEED = ('impulse_noise', 'glass_blur')  # they draw from a fresh generator unless they get a seed


class Corruptions:
    """Corrupts images as the authors of ImageNet-C do; the same image, corruption and severity gives the same bits.

    The strengths are those for images of 224×224: on smaller ones the blurs are far stronger than their authors meant.
    ImageNet-C itself was saved as JPEG, so that figures on it differ a little.

    Source: Hendrycks and Dietterich, Benchmarking Neural Network Robustness to Common Corruptions and Perturbations,
    2019, arXiv 1903.12261; the package ``imagecorruptions-imaug``.

    Args:
        seed: Of all that is drawn.

    Raises:
        UserError: The package is not installed.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self._corrupt = need_imagecorruptions()

    def __call__(self, image: np.ndarray, index: int, name: str, severity: int) -> np.ndarray:
        """Corrupts an image.

        Args:
            image: RGB, (H, W, 3), uint8.
            index: The number of the image, by which it draws.
            name: The corruption.
            severity: From 1 to 5.

        Raises:
            UserError: The image is smaller than 32×32, or there is no such corruption or severity.
        """
        if min(image.shape[:2]) < SMALLEST:
            raise UserError(f'corruptions expect images of at least {SMALLEST}×{SMALLEST}, got '
                            f'{image.shape[0]}×{image.shape[1]}. Set --size {SMALLEST}.')
        check_corruptions([name], [severity])
        entropy = np.random.SeedSequence((self.seed, index, KNOWN.index(name), severity))
        number = int(entropy.generate_state(1)[0])
        with numpy_seed(number):
            more = dict(seed=number) if name in OWN_SEED else {}
            return self._corrupt(np.ascontiguousarray(image), severity, name, **more)


def check_corruptions(names: Sequence[str], severities: Sequence[int]) -> None:
    """Checks what images are to be corrupted by.

    Raises:
        UserError: There is no such corruption or severity, or one is named twice.
    """
    for name in names:
        if name not in KNOWN:
            raise UserError(f'corruptions expect one of {len(KNOWN)} names, got {name!r}. {nearest(name, KNOWN)}')
    for severity in severities:
        if severity not in SEVERITIES:
            raise UserError(f'corruptions expect severities from 1 to 5, got {severity}. Correct it.')
    for each in (*names, *severities):
        if (*names, *severities).count(each) > 1:
            raise UserError(f'corruptions expect each name and severity once, got {each} twice. Leave one out.')


def need_imagecorruptions() -> Callable[..., np.ndarray]:
    """The function of the package.

    Raises:
        UserError: It is not installed.
    """
    try:
        from imagecorruptions import corrupt
    except ImportError as error:
        raise UserError('corruptions expect imagecorruptions, which is not installed. Install it: pip install '
                        'imagecorruptions-imaug.') from error
    return corrupt


@contextmanager
def numpy_seed(seed: int) -> Iterator[None]:
    """Seeds NumPy's global generator for a while."""
    state = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(state)
