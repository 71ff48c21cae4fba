"""The test sets of ImageNet-1K's classes, for any number of models."""
import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.runner import Runner
from torch import Tensor
from torch.utils.data import DataLoader

from mmkd.datasets.configured import check_data_exists, gives_rgb
from mmkd.evaluation.scores import NUM_CLASSES
from mmkd.evaluation.test_data import TEST_DATA, set_test_data
from mmkd.utils import UserError, nearest
from mmkd.utils.configs.finding import load_config

CLEAN = 'clean'
DEFAULT = '_base_/datasets/imagenet_bs64_swin_224.py'  # of models whose config has no test data
# What the papers print of each, in the order of their tables, and whether more is better.
METRICS: dict[str, tuple[str, str]] = {
    CLEAN: ('clean ↑', 'accuracy/top1'), 'imagenet-c': ('C (mCE) ↓', 'corruption/mCE'),
    'imagenet-sketch': ('Sketch ↑', 'accuracy/top1'), 'imagenet-r': ('R ↑', 'accuracy/top1'),
    'imagenet-a': ('A ↑', 'accuracy/top1'), 'imagenet-v2': ('V2 ↑', 'accuracy/top1'),
    'imagenet-real': ('ReaL ↑', 'accuracy/real_top1')}


@dataclass(frozen=True)
class Robustness:
    """What a model reaches on the test sets.

    Args:
        metrics: Test set to all its metrics, in percent.
        missing: Test set to the reason why it was left out.
    """
    metrics: dict[str, dict[str, float]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def shown(self, name: str) -> float | None:
        """The metric that the papers print of a test set; None where there is none."""
        return self.metrics.get(name, {}).get(METRICS[name][1])


def set_config(config: Config | None, name: str, root: str | None = None) -> Config:
    """The test data and metrics of a test set, with the pipeline of a model's config.

    Args:
        config: The model's config; None, or one without test data, gets ImageNet's usual pipeline at 224.
        name: ``clean`` or one of :data:`~mmkd.evaluation.test_data.TEST_DATA`.
        root: Where the data are, ``archive://…`` too; None takes the usual place.

    Raises:
        UserError: There is no such test set.
    """
    if name not in METRICS:
        raise UserError(f'--sets expects test sets, got {name!r}. {nearest(name, METRICS)}')
    own = copy.deepcopy(config) if config is not None and config.get('test_dataloader') else load_config(DEFAULT)
    if name in TEST_DATA:
        set_test_data(own, name)
    else:
        own.test_evaluator = dict(type='Accuracy', topk=(1, ))
    if root is not None:
        own.test_dataloader.dataset.data_root = root
    return own


def measure_robustness(classify: Callable[[Tensor], Tensor], config: Config | None,
                       sets: Iterable[str] = tuple(METRICS), roots: Mapping[str, str] | None = None,
                       watch: Callable[[Iterable, int, str], Iterable] | None = None) -> Robustness:
    """Tests a model on the test sets whose data are there.

    Args:
        classify: RGB images (N, 3, H, W) of uint8 to scores (N, classes), which sum to 1.
        config: The model's config, which says how its images are resized.
        sets: Which, see :data:`METRICS`.
        roots: Test set to its folder, where that is not the usual one.
        watch: Passes batches on, and shows how far it is: batches, their number, name of the test set.

    Raises:
        UserError: There is no such test set, or an image is of another class than the test set has.
    """
    found = Robustness()
    for name in sets:
        chosen = set_config(config, name, (roots or {}).get(name))
        try:
            check_data_exists(chosen, ('test', ))
            loader = Runner.build_dataloader(chosen.test_dataloader)
        except UserError as error:
            found.missing[name] = str(error)
            continue
        batches = watch(loader, len(loader), name) if watch else loader
        rgb = gives_rgb(chosen, 'test')
        try:
            found.metrics[name] = _evaluate(classify, chosen, loader, batches, rgb, name in TEST_DATA)
        except _OtherClassesError as error:
            found.missing[name] = str(error)
    return found


class _OtherClassesError(Exception):
    """The model has not the classes of the test set."""


def _evaluate(classify: Callable[[Tensor], Tensor], config: Config, loader: DataLoader, batches: Iterable, rgb: bool,
              thousand: bool) -> dict[str, float]:
    metrics = config.test_evaluator
    evaluator = Evaluator(metrics if isinstance(metrics, list) else [metrics])
    data: Any = loader.dataset
    evaluator.dataset_meta = getattr(data, 'metainfo', None)
    for batch in batches:
        images = batch['inputs']
        images = torch.stack(images) if isinstance(images, list) else images
        scores = classify(images if rgb else images.flip(1)).cpu()
        if thousand and scores.shape[1] != NUM_CLASSES:
            raise _OtherClassesError(f'the model has {scores.shape[1]} classes, and not the {NUM_CLASSES} of ImageNet')
        samples = [sample.set_pred_score(score).set_pred_label(score.argmax())
                   for sample, score in zip(batch['data_samples'], scores, strict=True)]
        evaluator.process(data_samples=samples, data_batch=batch)
    return evaluator.evaluate(len(data))
