"""The mean corruption error of ImageNet-C."""
from collections.abc import Sequence

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from mmkd.datasets.classification.imagenet_variants import CORRUPTIONS, EXTRA_CORRUPTIONS, SEVERITIES
from mmkd.registry import METRICS
from mmkd.utils import UserError

from .scores import image_path, imagenet_scores

# AlexNet's top-1 error, averaged over the five severities, as the authors of ImageNet-C publish it
# (github.com/hendrycks/robustness); in the order of CORRUPTIONS.
ALEXNET_ERRORS = dict(zip(CORRUPTIONS, (
    0.886428, 0.894468, 0.922640, 0.819880, 0.826268, 0.785948, 0.798360, 0.866816, 0.826572, 0.819324, 0.564592,
    0.853204, 0.646056, 0.717840, 0.606500)))
NAMES = CORRUPTIONS + EXTRA_CORRUPTIONS


@METRICS.register_module()
class MeanCorruptionError(BaseMetric):
    r"""Error under each corruption, over AlexNet's, and the mean over the 15 corruptions (mCE), in percent.

    .. math:: CE_c = \frac{\sum_{s=1}^5 E_{s,c}}{\sum_{s=1}^5 E^{AlexNet}_{s,c}}, \quad
        mCE = \frac{1}{15} \sum_c CE_c

    Corruption and severity are read from the image's path, ``…/CORRUPTION/SEVERITY/CLASS/*.JPEG``. A corruption of
    which not all severities were tested has no CE, and without all 15 there is no mCE.

    Source: Hendrycks and Dietterich, Benchmarking Neural Network Robustness to Common Corruptions and Perturbations,
    2019, arXiv 1903.12261, Sec. 4.1.

    Args:
        collect_device: As in every metric of MMEngine.
        prefix: Of the metrics' names: ``corruption/mCE``, ``corruption/CE_fog``, ``corruption/error_fog``.
    """

    default_prefix = 'corruption'

    def __init__(self, collect_device: str = 'cpu', prefix: str | None = None) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Compares one batch of predictions with the labels.

        Raises:
            UserError: A path names no corruption and severity, or the model has other classes.
        """
        for sample in data_samples:
            wrong = int(imagenet_scores(self, sample).argmax()) != int(sample['gt_label'])
            # One number an image, since there are 3.75 million
            self.results.append(2 * self._condition(sample) + wrong)

    def compute_metrics(self, results: list[int]) -> dict[str, float]:
        """Averages per corruption and severity, then as above."""
        codes = np.asarray(results)
        counts = np.bincount(codes, minlength=2 * len(NAMES) * len(SEVERITIES)).reshape(len(NAMES), len(SEVERITIES), 2)
        totals = counts.sum(-1)
        metrics, errors = {}, {}
        for name, wrong, total in zip(NAMES, counts[..., 1], totals):
            if total.any():
                error = float((wrong[total > 0] / total[total > 0]).mean())
                metrics[f'error_{name}'] = 100 * error
                if total.all() and name in ALEXNET_ERRORS:
                    errors[name] = error / ALEXNET_ERRORS[name]
        metrics |= {f'CE_{name}': 100 * error for name, error in errors.items()}
        missing = [name for name in CORRUPTIONS if name not in errors]
        if missing:
            print_log(f'No mCE: not all severities were tested of {", ".join(missing)}.', 'current')
            return metrics
        return metrics | dict(mCE=100 * float(np.mean(list(errors.values()))))

    def _condition(self, sample: dict) -> int:
        """The number of the image's corruption and severity."""
        path = image_path(self, sample)
        corruption, severity = ('', '', '', *path.parts)[-4:-2]
        if corruption not in NAMES or severity not in map(str, SEVERITIES):
            raise UserError(f'MeanCorruptionError expects paths such as …/fog/3/n01440764/NAME.JPEG, got {path}. '
                            'Test it on mmkd.ImageNetC.')
        return NAMES.index(corruption) * len(SEVERITIES) + int(severity) - 1
