"""Accuracy on ImageNet's validation images with the reassessed labels."""
import json
import re
from collections.abc import Sequence
from pathlib import Path

from mmengine.evaluator import BaseMetric

from mmkd.datasets.classification.imagenet_classes import real_labels
from mmkd.registry import METRICS
from mmkd.utils import UserError

from .scores import NUM_CLASSES, image_path, imagenet_scores

_NUMBER = re.compile(r'ILSVRC2012_val_(\d{8})')


@METRICS.register_module()
class ReaLAccuracy(BaseMetric):
    r"""Share of images whose top prediction is one of the labels that people found right; some images have several.

    .. math:: \frac{100}{|\{n: L_n \neq \emptyset\}|} \sum_n [\arg\max_c s_{n,c} \in L_n]

    Images without a label are left out. The image's number is read from its name, ``ILSVRC2012_val_00000001.JPEG``.

    Source: Beyer, Hénaff, Kolesnikov, Zhai and van den Oord, Are we done with ImageNet?, 2020, arXiv 2006.07159,
    Sec. 3.

    Args:
        labels: The authors' ``real.json``, a list of 50,000 lists of class indices; timm's copy of it if left out.
        collect_device: As in every metric of MMEngine.
        prefix: Of the metric's name, ``accuracy/real_top1``.

    Raises:
        UserError: The file is missing or something else.
    """

    default_prefix = 'accuracy'

    def __init__(self, labels: str | None = None, collect_device: str = 'cpu', prefix: str | None = None) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.labels = [frozenset(row) for row in (real_labels() if labels is None else _read_labels(Path(labels)))]

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Compares one batch of predictions with the labels.

        Raises:
            UserError: An image is not one of the labelled ones, or the model has other classes.
        """
        for sample in data_samples:
            labels = self.labels[self._number(sample)]
            prediction = int(imagenet_scores(self, sample).argmax())
            self.results.append((bool(labels), prediction in labels))

    def compute_metrics(self, results: list[tuple[bool, bool]]) -> dict[str, float]:
        """Averages over the images that have labels.

        Raises:
            UserError: None has.
        """
        counted = [correct for labelled, correct in results if labelled]
        if not counted:
            raise UserError('ReaLAccuracy expects images that have labels, got none. Test more images.')
        return dict(real_top1=100 * sum(counted) / len(counted))

    def _number(self, sample: dict) -> int:
        """The row of the image's labels."""
        name = image_path(self, sample).name
        match = _NUMBER.match(name)
        number = int(match.group(1)) if match else 0
        if not 1 <= number <= len(self.labels):
            raise UserError(f"ReaLAccuracy expects ImageNet's validation images, ILSVRC2012_val_00000001.JPEG to "
                            f'{len(self.labels):08d}, got {name}.')
        return number - 1


def _read_labels(path: Path) -> list[list[int]]:
    try:
        rows = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise UserError(f'labels of ReaLAccuracy expects the JSON file real.json, got {path}: {error}.') from error
    good = isinstance(rows, list) and all(
        isinstance(row, list) and all(isinstance(i, int) and 0 <= i < NUM_CLASSES for i in row) for row in rows)
    if not good:
        raise UserError(f'labels of ReaLAccuracy expects a list of lists of class indices below {NUM_CLASSES}, got '
                        f'something else in {path}.')
    return rows
