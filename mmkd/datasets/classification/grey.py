"""Grey pictures for models that take three channels."""
import numpy as np
from mmcv.transforms import BaseTransform

from mmkd.registry import TRANSFORMS


@TRANSFORMS.register_module()
class GreyToRGB(BaseTransform):
    """Repeats the one channel of a grey picture three times; a picture of three channels is left as it is.

    mmpretrain's ``MNIST`` and ``FashionMNIST`` give arrays without an axis for channels. Every other picture that a
    trained model meets, one of a file or a scene, has three.
    """

    def transform(self, results: dict) -> dict:
        """Makes ``results['img']`` (height, width) or (height, width, 1) an array of (height, width, 3)."""
        image = results['img']
        image = image[..., None] if image.ndim == 2 else image
        if image.shape[2] == 1:
            results['img'] = np.repeat(image, 3, axis=2)
        results['img_shape'] = results['img'].shape[:2]
        results.setdefault('ori_shape', results['img_shape'])
        return results
