"""Any PyTorch data set, with mmpretrain's transforms."""
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.dataset import BaseDataset
from PIL import Image

from mmkd.datasets.pil_images import as_loaded
from mmkd.registry import DATASETS
from mmkd.utils import UserError
from mmkd.utils.given import given


@DATASETS.register_module()
class TorchDataset(BaseDataset):
    """Takes pictures and labels from a ``torch.utils.data.Dataset``.

    An item is ``(picture, label)``, a picture alone, or a dict with ``image`` and ``label``. A picture is a PIL image,
    an array (H, W, 3) of bytes in RGB, or a tensor (3, H, W): of bytes, or of floats from 0 to 1. Others would be
    normalised already, and student and teacher each have their own way.

    Args:
        source: The data set. A config that was written to a file cannot have it.
        classes: Names of the classes; None where there are none, and labels are then left out.
        pipeline: Transforms that follow on ``LoadImageFromFile``, which is left out.
        kwargs: Those of MMEngine's ``BaseDataset``.

    Raises:
        UserError: The source is no data set, or has the classes in another order, or an item is none of these.
    """

    def __init__(self, source: Any, classes: Sequence[str] | None = None, pipeline: Sequence[dict] = (),
                 **kwargs: Any) -> None:
        self.source = given(source)
        if not hasattr(self.source, '__getitem__') or not hasattr(self.source, '__len__') or isinstance(
                self.source, str):
            raise UserError(f'TorchDataset expects a data set with a length, got {self.source!r}. A config that '
                            'mmkd.distill wrote for one cannot be trained by itself: call mmkd.distill again, or put '
                            'a data set that a config can name in its place.')
        self.labelled = classes is not None
        check_class_order(self.source, classes or ())
        steps = [step for step in pipeline if not str(step.get('type')).endswith('LoadImageFromFile')]
        super().__init__(metainfo=dict(classes=tuple(classes)) if classes else None, pipeline=steps,
                         serialize_data=False, **kwargs)

    def load_data_list(self) -> list[dict]:
        """Numbers the items; none is read."""
        return [dict(number=number) for number in range(len(self.source))]

    def prepare_data(self, idx: int) -> Any:
        """Reads an item and transforms it."""
        picture, label = split_item(self.source[idx])
        image = as_bgr(picture, idx)
        data = dict(img=image, img_shape=image.shape[:2], ori_shape=image.shape[:2], sample_idx=idx)
        if self.labelled:
            data['gt_label'] = np.array(label_of(label, idx, len(self.metainfo['classes'])))
        return self.pipeline(data)


def own_classes(source: Any) -> tuple[str, ...]:
    """The names that a data set gives its classes; empty where it gives none."""
    own = getattr(source, 'classes', None)
    return tuple(map(str, own)) if isinstance(own, Sequence) and not isinstance(own, str) else ()


def check_class_order(source: Any, classes: Sequence[str]) -> None:
    """Checks that classes are not numbered otherwise than a data set numbers them; other names for them may be given.

    Raises:
        UserError: They are the data set's, in another order.
    """
    own = own_classes(source)
    moved = [pair for pair in zip(own, classes, strict=False) if pair[0] != pair[1]]
    if moved and len(own) == len(classes) and set(own) == set(classes):
        raise UserError(f'a data set expects its classes in its own order, got {moved[0][1]} in the place of '
                        f'{moved[0][0]}. Name them in the order in which it numbers them.')


def split_item(item: Any) -> tuple[Any, Any]:
    """Picture and label of an item of a data set; None where it has no label."""
    if isinstance(item, dict):
        return item.get('image', item.get('img')), item.get('label')
    if isinstance(item, tuple | list):
        return item[0], item[1] if len(item) > 1 else None
    return item, None


def label_of(label: Any, number: int, classes: int | None = None) -> int:
    """A label as a number.

    Raises:
        UserError: It is no whole number, or no class.
    """
    if hasattr(label, 'item') and np.asarray(label).size == 1:
        label = label.item()
    if isinstance(label, bool) or not isinstance(label, int | np.integer) or label < 0 or (
            classes is not None and label >= classes):
        raise UserError(f'item {number} of the data set expects a label from 0'
                        f'{f" to {classes - 1}" if classes else ""}, got {label!r}. Mend the data set.')
    return int(label)


def as_bgr(picture: Any, number: int) -> np.ndarray:
    """A picture as mmcv loads it: (H, W, 3) of bytes in BGR.

    Raises:
        UserError: It is no picture, or normalised already.
    """
    if isinstance(picture, Image.Image):
        array = np.asarray(as_loaded(picture))
    elif isinstance(picture, torch.Tensor) and picture.dim() == 3 and picture.shape[0] in (1, 3):
        array = picture.detach().cpu().permute(1, 2, 0).expand(-1, -1, 3).numpy()
    else:
        array = picture
    if not isinstance(array, np.ndarray) or array.ndim != 3 or array.shape[2] != 3:
        what = tuple(picture.shape) if hasattr(picture, 'shape') else type(picture).__name__
        raise UserError(f'item {number} of the data set expects a PIL image, an array (H, W, 3) or a tensor (3, H, W), '
                        f'got {what}. Convert it in the data set.')
    if array.dtype != np.uint8:
        low, high = float(array.min()), float(array.max())
        if not np.issubdtype(array.dtype, np.floating) or low < 0 or high > 1.001:
            raise UserError(f'item {number} of the data set expects bytes, or floats from 0 to 1, got {array.dtype} '
                            f'from {low:.3g} to {high:.3g}. Leave Normalize out of its transforms: student and '
                            'teacher are each given pictures normalised as they want them.')
        array = (255 * array).round().clip(0, 255).astype(np.uint8)
    return np.ascontiguousarray(array[..., ::-1])
