"""What a call returns."""
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from mmengine.config import Config, ConfigDict
from mmengine.dataset import Compose
from mmengine.registry import MODELS, DefaultScope
from torch import Tensor, nn

from mmkd.distillers.models import device_of, forward_of
from mmkd.distillers.taps.plain import logits_in
from mmkd.utils import UserError


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
    def predict(self, paths: str | Path | Sequence[str | Path]) -> list[tuple[str, float]]:
        """Classifies picture files.

        Args:
            paths: One file, or several.

        Returns:
            The name of the class and its probability, for each.

        Raises:
            UserError: The student has no classes.
        """
        if not self.classes:
            raise UserError('predict expects a student with classes, got one that was trained without labels or by '
                            'the config of a data set. Of the latter see docs/predict.md; else read its features with '
                            'mmkd.distillers.taps.Taps, or fine-tune it.')
        files = [paths] if isinstance(paths, str | Path) else list(paths)
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            import mmpretrain.datasets  # noqa: F401  (registers the transforms)
            steps = Compose(ConfigDict(dict(steps=self._config.test_pipeline)).to_dict()['steps'])
            preprocessor = MODELS.build(ConfigDict(self._config.data_preprocessor)).to(device_of(self.student))
        scores = [self._scores(preprocessor, steps(dict(img_path=str(file)))) for file in files]
        return [(self.classes[int(each.argmax())], float(each.max())) for each in scores]

    def _scores(self, preprocessor: nn.Module, item: dict) -> Tensor:
        batch = preprocessor(dict(inputs=[item['inputs']], data_samples=[item['data_samples']]))
        outputs = forward_of(self.student)(batch['inputs'], mode='tensor')
        return logits_in(self.student, outputs)[0].float().softmax(dim=0)
