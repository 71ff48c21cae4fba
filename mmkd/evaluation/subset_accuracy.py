"""Accuracy among some of ImageNet-1K's classes."""
from collections.abc import Sequence

import torch
from mmengine.evaluator import BaseMetric

from mmkd.datasets.classification.imagenet_classes import class_indices, subset_indices
from mmkd.registry import METRICS
from mmkd.utils import UserError, nearest

from .scores import imagenet_scores


@METRICS.register_module()
class SubsetAccuracy(BaseMetric):
    """Top-k accuracy where a model of 1,000 classes has to choose among a subset of them only.

    The scores of all other classes are left out before the largest is looked for.

    Source: Hendrycks, Zhao, Basart, Steinhardt and Song, Natural Adversarial Examples, 2021, arXiv 1907.07174
    (ImageNet-A); Hendrycks et al., The Many Faces of Robustness, 2021, arXiv 2006.16241 (ImageNet-R).

    Args:
        subset: ``'imagenet-a'`` or ``'imagenet-r'``, of 200 classes each, or a list of WordNet ids.
        topk: Which k.
        collect_device: As in every metric of MMEngine.
        prefix: Of the metric's name, ``accuracy/top1``.

    Raises:
        UserError: The subset is unknown, or smaller than k.
    """

    default_prefix = 'accuracy'

    def __init__(self, subset: str | Sequence[str], topk: Sequence[int] = (1,), collect_device: str = 'cpu',
                 prefix: str | None = None) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        indices = subset_indices(subset) if isinstance(subset, str) else sorted({_index(name) for name in subset})
        self.indices, self.topk = torch.tensor(indices), tuple(topk)
        if not self.topk or not 1 <= min(self.topk) <= max(self.topk) <= len(indices):
            raise UserError(f'topk of SubsetAccuracy expects numbers from 1 to {len(indices)}, got {self.topk}.')

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Ranks the true class of each image in one batch among the subset's.

        Raises:
            UserError: An image is of another class, or the model has other classes.
        """
        for sample in data_samples:
            target = int(sample['gt_label'])
            if target not in self.indices:
                raise UserError(f'SubsetAccuracy expects images of its {len(self.indices)} classes, got one of class '
                                f'{target}. Name the subset that belongs to the data.')
            best = imagenet_scores(self, sample)[self.indices].topk(max(self.topk)).indices
            self.results.append((self.indices[best] == target).tolist())

    def compute_metrics(self, results: list[list[bool]]) -> dict[str, float]:
        """Averages over all images, in percent."""
        return {f'top{k}': 100 * sum(any(row[:k]) for row in results) / len(results) for k in self.topk}


def _index(name: str) -> int:
    if name not in class_indices():
        raise UserError(f'subset of SubsetAccuracy expects WordNet ids of ImageNet-1K, got {name!r}. '
                        f'{nearest(name, class_indices())}')
    return class_indices()[name]
