"""The check of a recipe that its data fit each other, the metric and the checkpoints."""
from collections.abc import Iterator

from mmengine.config import ConfigDict
from mmengine.registry import DATASETS, METRICS

from mmkd.datasets.configured import check_data_exists
from mmkd.datasets.verification import Finding, collected, fit_findings, overlap_findings
from mmkd.datasets.verification.class_names import classes_of_checkpoint
from mmkd.distillers.teacher import teachers_classes
from mmkd.engine.models import class_count
from mmkd.utils import UserError
from mmkd.zoo.checkpoint_meta import read_meta

from .recipe import Recipe


def check_data_fit(recipe: Recipe) -> Iterator[Finding]:
    """Classes of data, metric and checkpoints are the same, and no validation image is a training image."""
    datasets = {split: recipe.dataset(split) for split in ('train', 'val') if recipe.config.get(f'{split}_dataloader')}
    test = recipe.config.get('test_dataloader')
    if test and test != recipe.config.get('val_dataloader') and _has_files(recipe, 'test'):
        datasets['test'] = DATASETS.build(ConfigDict(test['dataset']))
    learner = next(iter(recipe.single_models().values()))
    known = teachers_classes(recipe.config.model, recipe.distiller.teachers) if recipe.distiller is not None else []
    metrics = {split: _coco_metrics(recipe.config.get(f'{split}_evaluator')) for split in datasets if split != 'train'}
    begin = recipe.config.get('load_from')
    started = classes_of_checkpoint(f'load_from={begin}', read_meta(str(begin))) if begin else None
    bank = recipe.bank
    wrong = collected(fit_findings(datasets, class_count(learner), metrics, known, [started] if started else [], bank))
    same = [*(split for split in datasets if split != 'train' or bank is None), *([] if bank is None else ['the bank'])]
    yield from wrong or [Finding('ok', f'the classes of {", ".join(same)} have the same labels.')]
    yield from collected(overlap_findings(datasets, bank))


def _has_files(recipe: Recipe, split: str) -> bool:
    try:
        check_data_exists(recipe.config, (split, ))
    except UserError:
        return False  # the check of the files says what is missing
    return True


def _coco_metrics(evaluator: dict | list | None) -> list:
    """The metrics that read an annotation file."""
    configs = evaluator if isinstance(evaluator, list | tuple) else [evaluator] if evaluator else []
    return [METRICS.build(ConfigDict(config)) for config in configs
            if isinstance(config, dict) and config.get('ann_file')]
