"""What a call returns."""
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmcv.transforms import LoadImageFromFile
from mmengine.config import Config, ConfigDict
from mmengine.dataset import Compose
from mmengine.registry import MODELS, TRANSFORMS, DefaultScope
from PIL import Image
from torch import Tensor, nn

from mmkd.datasets.classification.torch_dataset import as_bgr
from mmkd.datasets.verification.images import UNREADABLE, ImageFile, check_image
from mmkd.distillers.models import device_of, forward_of
from mmkd.distillers.taps.plain import logits_in
from mmkd.utils import UserError
from mmkd.utils.building.build import type_name


@dataclass
class DistillResult:
    """A distilled student and where everything about it is.

    Args:
        student: The student, in eval mode, with the weights that were best in validation, or the last ones where
            nothing was validated. It takes normalised images (N, 3, H, W).
        classes: The names of its classes; empty where there are none.
        metrics: The figures of these weights by MMEngine's names (``accuracy/top1``), ``epoch``, and ``teacher/<name>``
            for those of the teacher where it was validated.
        paths: ``config``, ``checkpoint`` (to resume or test), ``student`` (published: the weights alone), ``log``, and
            where there are pictures in folders, ``classes`` and ``lists``.
        weights: Which weights they are, in words.
    """
    student: nn.Module = field(repr=False)
    classes: tuple[str, ...]
    metrics: dict[str, float]
    paths: dict[str, Path]
    weights: str
    _config: Config = field(repr=False, default_factory=Config)

    @torch.no_grad()
    def predict(self, pictures: Any) -> list[tuple[str, float]]:
        """Classifies pictures.

        Args:
            pictures: One picture, or several: the path of a file, a PIL image, or an array (H, W, 3) of bytes in RGB.

        Returns:
            The name of the class and its probability, for each.

        Raises:
            UserError: The student has no classes, or a picture cannot be read.
        """
        if not self.classes:
            raise UserError('predict expects a student with classes, got one that was trained without labels or by '
                            'the config of a data set. Of the latter see docs/predict.md; else read its features with '
                            'mmkd.distillers.taps.Taps, or fine-tune it.')
        several = any(hasattr(pictures, name) for name in ('__iter__', '__getitem__'))
        single = not several or isinstance(pictures, str) or getattr(pictures, 'ndim', 4) < 4
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            import mmpretrain.datasets  # noqa: F401  (registers the transforms)
            steps = [TRANSFORMS.build(step) for step in ConfigDict(dict(
                steps=self._config.test_pipeline)).to_dict()['steps'] if type_name(step) != 'LoadImageFromFile']
            preprocessor = MODELS.build(ConfigDict(self._config.data_preprocessor)).to(device_of(self.student))
        scores = [self._scores(preprocessor, Compose(steps)(_read(picture)))
                  for picture in ([pictures] if single else pictures)]
        return [(self.classes[int(each.argmax())], float(each.max())) for each in scores]

    def _scores(self, preprocessor: nn.Module, item: dict) -> Tensor:
        batch = preprocessor(dict(inputs=[item['inputs']], data_samples=[item['data_samples']]))
        outputs = forward_of(self.student)(batch['inputs'], mode='tensor')
        return logits_in(self.student, outputs)[0].float().softmax(dim=0)


def _read(picture: Any) -> dict:
    """What the first step of a pipeline makes of a file, of any picture.

    Raises:
        UserError: It is none, or is damaged.
    """
    if isinstance(picture, str | Path):
        problem = check_image(ImageFile(str(picture))) if Path(picture).is_file() else None
        try:
            if problem is None:  # of a picture that is cut off the decoder makes wrong pixels
                return LoadImageFromFile()(dict(img_path=str(picture)))
        except Exception:  # whatever the decoder says of bytes that are no picture
            pass
        what = 'cannot be read as a picture' if Path(picture).exists() else 'does not exist'
        raise UserError(f'predict expects pictures, got {picture}, which {what}'
                        f'{f" ({problem.text})" if problem else ""}. Name another one.')
    if not isinstance(picture, Image.Image) and not (
            isinstance(picture, np.ndarray) and picture.dtype == np.uint8 and picture.ndim == 3
            and picture.shape[2] == 3 and picture.size):
        what = f'{picture.dtype} of shape {tuple(picture.shape)}' if hasattr(picture, 'shape') else repr(picture)
        raise UserError('predict expects paths, PIL images or arrays (H, W, 3) of bytes in RGB, got '
                        f'{what}. Convert it.')
    try:
        image = as_bgr(picture, 0)
    except UNREADABLE as error:  # a PIL image decodes when it is asked for its pixels
        raise UserError(f'predict expects whole pictures, got a damaged one ({error}). Leave it out.') from error
    return dict(img=image, img_shape=image.shape[:2], ori_shape=image.shape[:2])
