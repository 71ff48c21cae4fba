"""Loading and cropping in one step, so that of a large photograph only as much is decoded as the crop shows."""
import io
import math
from typing import Any

import cv2
import mmcv
import numpy as np
from mmcv.image.geometric import pillow_interp_codes
from mmcv.transforms import LoadImageFromFile
from mmengine import fileio
from PIL import Image

from mmkd.registry import TRANSFORMS

from .transforms import RandomResizedCrop

REDUCED = {8: cv2.IMREAD_REDUCED_COLOR_8, 4: cv2.IMREAD_REDUCED_COLOR_4, 2: cv2.IMREAD_REDUCED_COLOR_2}
ORIENTATION = 0x0112  # of EXIF
# Orientations that swap width and height, and those whose left, or upper, edge is the stored right or lower one.
SWAPPED, LEFT_IS_END, TOP_IS_END = (5, 6, 7, 8), (2, 3, 6, 7), (3, 4, 7, 8)


@TRANSFORMS.register_module()
class LoadRandomResizedCrop(RandomResizedCrop):
    """Stands for ``LoadImageFromFile`` and ``RandomResizedCrop``, with the same random numbers and keys.

    A JPEG whose crop is far larger than the result is decoded at a half, a quarter or an eighth of its size, which
    takes libjpeg a fraction of the time, and then resized. Everything else, small pictures and other formats, is loaded
    and cropped as by these two, and fails as they do.

    Args:
        scale: Height and width of the result, or its side.
        reducing_gap: The crop decoded is at least so many times as large as the result. At 2, which Pillow advises,
            pictures differ little; at 1 more are decoded small; with None, none is.
        backend: ``pillow``, ``pillow_torch`` or ``torch``; see :class:`RandomResizedCrop`.
        ignore_empty: Whether a file that cannot be read is left out.
        backend_args: Of MMEngine's file backend.
        **kwargs: Those of :class:`RandomResizedCrop`.

    Raises:
        ValueError: The gap is below 1, or the backend does not smooth.
    """

    def __init__(self, scale: int | tuple[int, int], reducing_gap: float | None = 2., backend: str = 'pillow_torch',
                 ignore_empty: bool = False, backend_args: dict | None = None, **kwargs: Any) -> None:
        if reducing_gap is not None and reducing_gap < 1:
            raise ValueError(f'reducing_gap expects at least 1, got {reducing_gap}. With less, crops would be enlarged '
                             'again after they are decoded small.')
        if backend == 'cv2':
            raise ValueError("LoadRandomResizedCrop expects backend 'pillow', 'pillow_torch' or 'torch', got 'cv2', "
                             'which does not smooth. Take LoadImageFromFile and RandomResizedCrop for it.')
        super().__init__(scale, backend=backend, **kwargs)
        self.reducing_gap = reducing_gap
        self.load = LoadImageFromFile(ignore_empty=ignore_empty, backend_args=backend_args)

    def transform(self, results: dict) -> dict | None:
        """Loads ``results['img_path']``, crops and resizes it."""
        try:
            content = fileio.get(results['img_path'], backend_args=self.load.backend_args)
        except Exception:
            return self.load(results)  # whose error, or None, is what a user of mmpretrain knows
        if self.reducing_gap is not None and self._load_reduced(results, content):
            return results
        image = _decode(content, self.load.color_type)
        if image is None:
            return self.load(results)
        results.update(img=image, img_shape=image.shape[:2], ori_shape=image.shape[:2])
        return super().transform(results)

    def _load_reduced(self, results: dict, content: bytes) -> bool:
        """Decodes the picture small, if its crop allows it, and resizes the crop; tells whether it did."""
        size, orientation = _read_head(content)
        if min(a / b for a, b in zip(size, self.scale)) < 2 * self.reducing_gap:
            return False
        state = np.random.get_state()
        top, left, height, width = self.rand_crop_params(np.empty((*size, 0), np.uint8))
        room = min(height / self.scale[0], width / self.scale[1]) / self.reducing_gap
        factor = next((factor for factor in REDUCED if factor <= room), None)
        image = _decode(content, REDUCED[factor]) if factor else None
        if image is None or image.shape[:2] != tuple(-(-length // factor) for length in size):
            np.random.set_state(state)
            return False
        # The last small pixel of a stored row or column may reach beyond the picture; turned, it is the first one.
        top += -size[0] % factor if orientation in TOP_IS_END else 0
        left += -size[1] % factor if orientation in LEFT_IS_END else 0
        box = [length / factor for length in (left, top, left + width, top + height)]
        results.update(img=self._resize_box(image, box), ori_shape=size)
        results['img_shape'] = results['img'].shape
        return True

    def _resize_box(self, image: np.ndarray, box: list[float]) -> np.ndarray:
        """Resizes what lies between left, top, right and bottom, which may fall between pixels."""
        column, row = int(box[0]), int(box[1])
        part = Image.fromarray(np.ascontiguousarray(image[row:math.ceil(box[3]), column:math.ceil(box[2])]))
        box = (box[0] - column, box[1] - row, box[2] - column, box[3] - row)
        return np.array(part.resize(tuple(self.scale[::-1]), pillow_interp_codes[self.interpolation], box=box))

    def __repr__(self) -> str:
        return super().__repr__()[:-1] + f', reducing_gap={self.reducing_gap}, {self.load})'


def _decode(content: bytes, flag: str | int) -> np.ndarray | None:
    try:
        return mmcv.imfrombytes(content, flag)
    except cv2.error:  # the loader will say it
        return None


def _read_head(content: bytes) -> tuple[tuple[int, int], int]:
    """Height and width of a JPEG as it is shown, and its orientation; no size for any other file."""
    if content[:3] == b'\xff\xd8\xff':
        try:
            with Image.open(io.BytesIO(content), formats=['JPEG']) as image:
                orientation = image.getexif().get(ORIENTATION, 1)
                return (image.size if orientation in SWAPPED else image.size[::-1]), orientation
        except Exception:  # whatever is wrong with it, the loader will say
            pass
    return (0, 0), 1
