"""Transforms of mmpretrain, faster: resizing takes the time of Pillow's and little more, noise a third."""
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmcv.image import imresize
from mmcv.image.geometric import pillow_interp_codes
from mmpretrain.datasets import transforms
from PIL import Image

from mmkd.registry import TRANSFORMS

from .resizing import BACKENDS, check_resizing, resize


@TRANSFORMS.register_module()
class RandomResizedCrop(transforms.RandomResizedCrop):
    """As mmpretrain's, with the same random numbers and arguments, and two more backends.

    With ``cv2`` and ``pillow`` the result is mmpretrain's to the last bit. Pillow takes longer to read a crop out of a
    larger array than to resize it; a copy of the crop is read at once.

    Args:
        scale: Height and width of the result, or its side.
        backend: Also ``pillow_torch``, as ``pillow`` but for one of 255 at most, and ``torch``, the fastest, as
            ``pillow`` but for one of 255, or two in about one value of a million.
        **kwargs: Those of mmpretrain's.
    """

    def __init__(self, scale: Sequence[int] | int, backend: str = 'cv2', **kwargs: Any) -> None:
        super().__init__(scale, backend=backend, **kwargs)
        check_resizing(self.backend, self.interpolation)

    def transform(self, results: dict) -> dict:
        """Crops and resizes ``results['img']`` (height, width, 3)."""
        self._crop(results, *self.rand_crop_params(results['img']))
        return results

    def _crop(self, results: dict, top: int, left: int, height: int, width: int) -> None:
        crop = np.ascontiguousarray(results['img'][top:top + height, left:left + width])
        size = tuple(self.scale[::-1])
        if self.backend in BACKENDS:
            results['img'] = resize(crop, size, self.interpolation, self.backend)
        else:
            results['img'] = imresize(crop, size, interpolation=self.interpolation, backend=self.backend)
        results['img_shape'] = results['img'].shape


@TRANSFORMS.register_module()
class RandomErasing(transforms.RandomErasing):
    """As mmpretrain's, with the same arguments; other random numbers of the same distribution, drawn faster."""

    def _fill_pixels(self, img: np.ndarray, top: int, left: int, h: int, w: int) -> np.ndarray:
        if self.mode == 'const' or self.fill_std is None:
            return super()._fill_pixels(img, top, left, h, w)
        generator = np.random.Generator(np.random.SFC64(np.random.randint(1 << 31)))
        noise = generator.standard_normal((h, w, 3), dtype=np.float32)
        noise *= np.asarray(self.fill_std, dtype=np.float32)
        noise += np.asarray(self.fill_color, dtype=np.float32)
        img[top:top + h, left:left + w] = noise.clip(0, 255, out=noise).astype(np.uint8)
        return img


@TRANSFORMS.register_module()
class ResizeEdge(transforms.ResizeEdge):
    """As mmpretrain's with Pillow, but only of the centre that ``CenterCrop`` keeps; nothing else is computed.

    Pillow rounds the place of a part less finely: of a photograph, a few values in a thousand differ at most, by one
    of 255; of drawings with hard edges, fewer than one in a hundred, by up to three.

    Args:
        scale: Length of the edge that is meant.
        crop_size: Side of the centre. An image that is smaller after the resizing is left whole.
        edge: ``short``, ``long``, ``width`` or ``height``.
        interpolation: Of Pillow.
    """

    def __init__(self, scale: int, crop_size: int, edge: str = 'short', interpolation: str = 'bilinear') -> None:
        super().__init__(scale, edge, 'pillow', interpolation)
        self.crop_size = crop_size

    def _resize_img(self, results: dict) -> None:
        height, width = results['img'].shape[:2]
        x_scale, y_scale = results['scale'][0] / width, results['scale'][1] / height
        left, right = self._centre(results['scale'][0])
        top, bottom = self._centre(results['scale'][1])
        box = (left / x_scale, top / y_scale, min(right / x_scale, width), min(bottom / y_scale, height))
        image = Image.fromarray(results['img']).resize((right - left, bottom - top),
                                                       pillow_interp_codes[self.interpolation], box=box)
        results.update(img=np.array(image), img_shape=(bottom - top, right - left), scale=image.size,
                       scale_factor=(x_scale, y_scale))

    def _centre(self, length: int) -> tuple[int, int]:
        start = max(0, round((length - self.crop_size) / 2))
        return start, min(length, start + self.crop_size)

    def __repr__(self) -> str:
        return super().__repr__()[:-1] + f', crop_size={self.crop_size})'
