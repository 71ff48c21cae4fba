"""Seeing before the first image whether the data of a run fit."""
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmkd.datasets.verification import Finding, collected, fit_findings, overlap_findings
from mmkd.datasets.verification.broken_images import name_broken_images
from mmkd.datasets.verification.class_names import Classes, classes_of_checkpoint, classes_of_dataset
from mmkd.datasets.verification.survey import Survey, leaves
from mmkd.distillers import Distiller
from mmkd.distillers.teacher import teachers_classes
from mmkd.engine.models import class_count, model_of
from mmkd.registry import HOOKS
from mmkd.utils import UserError
from mmkd.zoo.checkpoint_meta import read_meta


@HOOKS.register_module()
class DataFitHook(Hook):
    """Compares the data sets of a run with each other, with the model and with the checkpoints that know their classes.

    Before training, and before a test: names, order and range of the classes of the training, validation or test data,
    of the annotation file that a COCO metric reads, of the checkpoint (resumed or tested) and of teachers whose scores
    of classes are read. What does not fit stops the run, since its figures would be wrong. Before training it also says
    how many validation images are training images: by path, and by the contents of a sample
    (:mod:`mmkd.datasets.verification.overlap`). Lists and folders are compared, and the images are not read. A file
    that cannot be loaded later on is named.

    Checkpoints get ``meta['label_names']``, the folders or categories that the labels were read from.
    ``tools/train.py`` and ``tools/test.py`` add the hook to every run.

    Args:
        refuse: Whether to stop the run; otherwise what does not fit is a warning.
        checkpoint: The file that a test has loaded its weights from.

    Raises:
        UserError: The data do not fit.
    """

    priority = 'VERY_HIGH'

    def __init__(self, refuse: bool = True, checkpoint: str | None = None) -> None:
        self.refuse = refuse
        self.checkpoint = checkpoint
        self._known: list[Classes] = []
        self._started: list[Classes] = []
        self._labels: Classes | None = None

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Notes the classes of a run that goes on, or of the weights that it begins with."""
        found = classes_of_checkpoint('the checkpoint', checkpoint)
        if found is not None:
            (self._known if runner._resume else self._started).append(found)

    def before_train(self, runner: Runner) -> None:
        """Compares the training and the validation data."""
        datasets = dict(train=_dataset(runner.train_loop), val=_dataset(runner.val_loop))
        metrics = dict(val=getattr(getattr(runner.val_loop, 'evaluator', None), 'metrics', ()))
        self._compare(runner, datasets, metrics, lambda: [*self._known, *_teachers_classes(runner)],
                      _bank(runner.val_loop))
        first = next(leaves(datasets['train']), None)
        with suppress(OSError, ValueError, KeyError, AttributeError):  # no run stops for what it would write down
            self._labels = classes_of_dataset('', first, Survey(0))

    def before_test(self, runner: Runner) -> None:
        """Compares the test data with what the checkpoint was trained on."""
        metrics = dict(test=getattr(getattr(runner.test_loop, 'evaluator', None), 'metrics', ()))
        self._compare(runner, dict(test=_dataset(runner.test_loop)), metrics, self._tested, _bank(runner.test_loop))

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Writes down where the labels come from."""
        if self._labels is not None and self._labels.found:
            checkpoint['meta']['label_names'] = dict(source=self._labels.source, names=self._labels.found)

    def _tested(self) -> list[Classes]:
        content = read_meta(self.checkpoint) if self.checkpoint else {}
        return list(filter(None, [classes_of_checkpoint(f'the checkpoint {self.checkpoint}', content)]))

    def _compare(self, runner: Runner, datasets: dict[str, Any], metrics: dict,
                 known: Callable[[], list[Classes]], bank: Any = None) -> None:
        datasets = {split: dataset for split, dataset in datasets.items() if dataset is not None}
        for dataset in (*datasets.values(), *([] if bank is None else [bank])):
            name_broken_images(dataset)
        model = model_of(runner)
        count = class_count(model.student if isinstance(model, Distiller) else model)
        classes = _on_one_rank(lambda: fit_findings(datasets, count, metrics, known(), self._started, bank))
        wrong = [finding.text for finding in classes if finding.level == 'error']
        if wrong and self.refuse:
            raise UserError('the data do not fit: ' + ' '.join(wrong) + " If this is meant so, list "
                            "dict(type='mmkd.DataFitHook', refuse=False) in custom_hooks, beside those of the recipe.")
        for finding in [*classes, *_on_one_rank(lambda: overlap_findings(datasets, bank))]:
            (runner.logger.info if finding.level == 'ok' else runner.logger.warning)(f'Data: {finding.text}')


def _on_one_rank(make: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """The findings of the main process, in all processes, so that all stop or go on."""
    found: list[Any] = [None]
    if is_main_process():
        found[0] = collected(make())
    broadcast_object_list(found)
    return found[0]


def _dataset(loop: object) -> Any:
    return getattr(getattr(loop, 'dataloader', None), 'dataset', None)


def _bank(loop: object) -> Any:
    """The labelled images with which a loop compares those of validation, if it does."""
    return getattr(getattr(loop, 'bank_dataloader', None), 'dataset', None)


def _teachers_classes(runner: Runner) -> list[Classes]:
    config, model = (runner.cfg or {}).get('model'), model_of(runner)
    reads = isinstance(model, Distiller) and isinstance(config, dict) and config.get('teacher')
    return teachers_classes(config, model.teachers) if reads else []
