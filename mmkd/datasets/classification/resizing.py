"""Resizing as Pillow does it, with PyTorch's vectorised code for images of bytes."""
import numpy as np
import torch
from mmcv.image import imresize
from torch.nn.functional import interpolate

BACKENDS = ('torch', 'pillow_torch')
INTERPOLATIONS = ('bilinear', 'bicubic')


def check_resizing(backend: str, interpolation: str) -> None:
    """Refuses what neither :func:`resize` nor mmcv can do.

    Raises:
        ValueError: PyTorch has no such interpolation of bytes.
    """
    if backend in BACKENDS and interpolation not in INTERPOLATIONS:
        raise ValueError(f'backend {backend!r} expects the interpolation {" or ".join(INTERPOLATIONS)}, got '
                         f"{interpolation!r}. Take one of these or backend='pillow'.")


def resize(image: np.ndarray, size: tuple[int, int], interpolation: str, backend: str) -> np.ndarray:
    """Resizes an image, smoothed where it gets smaller.

    Pillow computes with weights of 22 bits, PyTorch with 16. Both resize the width, round, and then the height:
    of ``pillow_torch`` the second step alone is PyTorch's, so that no value can be off by more than one. Without AVX2,
    PyTorch is the slower one and Pillow does it all.

    Args:
        image: Bytes, (height, width, 3); any other array goes to Pillow.
        size: Width and height of the result.
        interpolation: ``bilinear`` or ``bicubic``.
        backend: ``pillow_torch``: as Pillow's, but for one of 255 at most. ``torch``: faster; about one value in a
            million differs by two.
    """
    image = np.ascontiguousarray(image)
    if image.ndim != 3 or image.shape[2] != 3 or not _vectorised():
        return imresize(image, size, interpolation=interpolation, backend='pillow')
    if backend == 'pillow_torch':
        image = imresize(image, (size[0], len(image)), interpolation=interpolation, backend='pillow')
    # The axis of the batch comes first: PyTorch would not see that the channels are last.
    batch = torch.from_numpy(image)[None].permute(0, 3, 1, 2)
    resized = interpolate(batch, size[::-1], mode=interpolation, antialias=True)
    return resized[0].permute(1, 2, 0).contiguous().numpy()


def _vectorised() -> bool:
    return torch.backends.cpu.get_cpu_capability() in ('AVX2', 'AVX512')
