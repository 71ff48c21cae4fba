"""mmpretrain's RandAugment, to the last bit, with the histograms of OpenCV in place of NumPy's."""
import cv2
import mmcv
import numpy as np
from mmcv.transforms import BaseTransform
from mmpretrain.datasets import transforms

from mmkd.registry import TRANSFORMS

RAMP = np.arange(256, dtype=np.uint8).reshape(1, 256, 1).repeat(3, axis=2)


@TRANSFORMS.register_module()
class RandAugment(transforms.RandAugment):
    """As mmpretrain's, with the same arguments and random numbers, and the same images to the last bit.

    ``AutoContrast`` and ``Equalize``, which are the slowest, map values to values: OpenCV counts those of the image,
    and the new ones are computed for the 256 values and looked up.
    """

    def transform(self, results: dict) -> dict | None:
        """Applies operations drawn at random to ``results['img']``."""
        for index in self.random_policy_indices():
            results = _apply(self.transforms[index], results)
            if results is None:
                return None
        return results


def _apply(operation: BaseTransform, results: dict) -> dict | None:
    image = results['img']
    if type(operation) not in TABLES or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        return operation(results)
    if not operation.random_disable():
        counts = [cv2.calcHist([image], [channel], None, [256], [0, 256])[:, 0] for channel in range(3)]
        results['img'] = cv2.LUT(image, TABLES[type(operation)](np.stack(counts, -1).astype(np.int64)))
    return results


def _contrast_table(counts: np.ndarray) -> np.ndarray:
    """What mmcv's ``auto_contrast`` maps each value to: all that counts are the ends of a channel's range."""
    there = counts > 0
    return mmcv.auto_contrast(np.clip(RAMP, there.argmax(0), 255 - there[::-1].argmax(0)).astype(np.uint8))


def _equalising_table(counts: np.ndarray) -> np.ndarray:
    """What mmcv's ``imequalize`` maps each value to, (1, 256, 3)."""
    table = RAMP.copy()
    for channel, count in enumerate(counts.T):
        step = (count.sum() - count[count > 0][-1]) // 255
        if step:
            mapped = np.minimum((np.cumsum(count) + step // 2) // step, 255)
            table[0, :, channel] = np.concatenate([[0], mapped[:-1]])
    return table


TABLES = {transforms.AutoContrast: _contrast_table, transforms.Equalize: _equalising_table}
