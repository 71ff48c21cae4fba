"""The checks of a recipe before training, from its data to its sample indices; each yields findings."""
from collections.abc import Iterator

import torch
from torch import Tensor

from mmkd.datasets.configured import check_data_exists
from mmkd.distillers import Distiller
from mmkd.distillers.inputs import as_size, normalisation
from mmkd.distillers.models.dry_run import has_classifier
from mmkd.distillers.schedule import Progress
from mmkd.distillers.teacher import Teacher, take_stated
from mmkd.engine.models import class_count
from mmkd.engine.recipe_fit import check_estimates, check_sample_indices, check_schedules
from mmkd.utils import UserError

from .cost import check_cost
from .data_fit import check_data_fit
from .label_order import check_label_order
from .labels import check_labels
from .loaded_weights import check_weights
from .recipe import Check, Finding, Recipe, error_line
from .tapped_shapes import weight_lines
from .training_step import check_gradients
from .validation import check_validation
from .weightless import teacher_role

TRAINING = ('train_dataloader', 'train_cfg', 'optim_wrapper')


def check_training(recipe: Recipe) -> Iterator[Finding]:
    """The config has a training; else the checks that need one are left out."""
    if missing := [key for key in TRAINING if recipe.config.get(key) is None]:
        yield Finding('error', f'a training expects {", ".join(TRAINING)} in the config, which lacks '
                      f'{", ".join(missing)}. Write them, as the files of configs/_base_ do.')


def check_files(recipe: Recipe) -> Iterator[Finding]:
    """The files and folders of the datasets exist."""
    for split, level in (('train', 'error'), ('val', 'error'), ('test', 'warning')):
        if split == 'test' and recipe.config.get('test_dataloader') == recipe.config.get('val_dataloader'):
            continue
        missing = _missing_files(recipe, split)
        if missing:
            yield Finding(level, missing)
        elif recipe.config.get(f'{split}_dataloader'):
            yield Finding('ok', f'the files of {split}_dataloader are there.')


def _missing_files(recipe: Recipe, split: str) -> str:
    try:
        check_data_exists(recipe.config, (split,))
    except UserError as error:
        return str(error)
    return ''


def check_models(recipe: Recipe) -> Iterator[Finding]:
    """All models build, and the shapes of all terms fit."""
    recipe.build()
    parts = [f'{role}: {type(model).__name__}, {_count(model):,} parameters'
             for role, model in recipe.single_models().items()]
    if recipe.distiller is not None:
        parts.append(f'{len(recipe.distiller.terms)} terms: {_count(recipe.distiller.terms):,} parameters; all '
                     'shapes fit')
    yield Finding('ok', f'{"; ".join(parts)}.')


def check_batches(recipe: Recipe) -> Iterator[Finding]:
    """Training and validation images load, where their files are there."""
    for split in ('train', 'val'):
        if not recipe.config.get(f'{split}_dataloader') or _missing_files(recipe, split):
            continue
        try:
            batches = recipe.load(split)
        except Exception as error:  # the other split may do
            yield Finding('error', f'{split}_dataloader: {error_line(error)}')
            continue
        yield Finding('ok', f'{split}: {len(recipe.dataset(split)):,} images in {len(recipe.loader(split)):,} '
                      f'batches, of which {len(batches)} were loaded.')


def check_images(recipe: Recipe) -> Iterator[Finding]:
    """How images are normalised and resized for the student and each teacher."""
    with torch.no_grad():
        inputs = recipe.model.data_preprocessor(recipe.batches('train')[0], True)['inputs'].float()
    size, (mean, std) = tuple(inputs.shape[-2:]), (inputs.mean().item(), inputs.std().item())
    text = f'{_by(size)} after augmentation; normalised, mean {mean:.2f} and standard deviation {std:.2f}'
    plausible = bool(inputs.isfinite().all()) and abs(mean) < 3 and 0.1 < std < 4
    yield Finding('ok', f'{text}.') if plausible else Finding(
        'warning', f'{text}: this is far from 0 and 1. Check mean, std and to_rgb of data_preprocessor, and that no '
        'transform of the pipeline normalises too.')
    if recipe.distiller is None:
        return
    checked = as_size(recipe.config.model.get('input_size', 224))
    if checked != size:
        yield Finding('warning', f"the terms' shapes were checked with images of {_by(checked)}, but the data's are "
                      f'{_by(size)}. Set model.input_size={size[0] if size[0] == size[1] else size}.')
    for name, teacher in recipe.distiller.teachers.items():
        if teacher_role(name) in recipe.specs:
            yield _adaptation(recipe, teacher_role(name), teacher)


def _adaptation(recipe: Recipe, role: str, teacher: Teacher) -> Finding:
    if normalisation(recipe.distiller.data_preprocessor) is None:
        return Finding('warning', f"the student's data preprocessor does not say how it normalises, so the {role} "
                       "gets the student's images as they are. Set mean and std of data_preprocessor.")
    adapter = teacher.adapter
    take_stated(adapter, recipe.specs[role], role, recipe.config.model.get('loads_rgb', False))
    if adapter.teacher is None:
        return Finding('warning', f"the {role}'s normalisation is unknown, so it gets the student's. "
                       f'Set mean and std of its data_preprocessor.')
    changes = [text for text, needed in (
        ('re-normalised', adapter.scale is not None), ('with channels reordered', adapter.flip),
        (f'resized to {_by(adapter.size)}' if adapter.size else '', adapter.size)) if needed]
    return Finding('ok', f"the {role} gets the student's images {', '.join(changes) or 'as they are'}.")


def check_classes(recipe: Recipe) -> Iterator[Finding]:
    """Data, student and teachers have the same number of classes, and labels are within it."""
    models = {role: class_count(model) for role, model in recipe.single_models().items()}
    learner = next(iter(models))
    data = {split: len(getattr(recipe.dataset(split), 'metainfo', {}).get('classes') or ())
            for split in ('train', 'val') if recipe.config.get(f'{split}_dataloader')
            and (split == 'train' or recipe.bank is None)}  # a bank's classes need not be the student's
    counts = {f'{split} data': count for split, count in data.items() if count} | {
        role: count for role, count in models.items() if count}
    text = ', '.join(f'{who} {count}' for who, count in counts.items())
    own = models[learner]
    highest = max((int(label.max()) for label in _labels(recipe)), default=-1)
    if own and highest >= own:
        yield Finding('error', f'classes: {text}; a label is {highest}, so the {learner} needs {highest + 1} classes '
                      'or more. Set num_classes of its head.')
    elif len(set(data.values())) > 1 or (own and any(count > own for count in data.values())):
        yield Finding('error', f"classes: {text}. Set num_classes of the {learner}'s head to that of the data.")
    elif len(set(counts.values())) > 1:
        yield Finding('warning', f'classes: {text}. Give all the same number, unless they differ on purpose.')
    elif counts:
        yield Finding('ok', f'classes: {text}.')
    told = getattr(recipe.model.data_preprocessor, 'num_classes', None)
    if own and told and told != own:
        yield Finding('error', f'data_preprocessor.num_classes is {told}, but the {learner} has {own} classes. '
                      f'Set data_preprocessor.num_classes={own}.')



def _labels(recipe: Recipe) -> list[Tensor]:
    samples = [sample for batch in recipe.batches('train') for sample in batch.get('data_samples') or ()]
    return [sample.gt_label for sample in samples if 'gt_label' in sample and len(sample.gt_label)]


def check_term_weights(recipe: Recipe) -> Iterator[Finding]:
    """Every term has a weight at some time, and schedules and estimates end within the training."""
    distiller = recipe.distiller
    if distiller is None:
        return
    by_iteration = any(not term.weight.by_epoch or term.teacher_norms for term in distiller.terms.values())
    epochs = (recipe.config.get('train_cfg') or {}).get('max_epochs') or 0
    schedules = Finding('ok', 'the schedules of all weights end within the training.')
    try:
        epochs, iters = recipe.length if by_iteration else (epochs, 0)
        check_schedules(distiller, Progress(max_epochs=epochs, max_iters=iters))
        check_estimates(distiller, iters)
    except UserError as error:
        schedules = Finding('error', str(error))
    yield schedules
    yield _weights_finding(distiller)


def _weights_finding(distiller: Distiller) -> Finding:
    weights = ', '.join(f'{name} {"; ".join(weight_lines(term.weight))}' for name, term in distiller.terms.items())
    idle = [name for name, term in distiller.terms.items() if term.weight.value == 0]
    text = f'task loss {distiller.task_weight:g}, {weights}'
    reads_logits = any('logits' in term.student_taps for name, term in distiller.terms.items() if name not in idle)
    if distiller.task_weight == 0 and len(idle) == len(distiller.terms):
        return Finding('error', f'{text}: nothing is learnt. Set task_weight or a weight above 0.')
    if distiller.task_weight == 0 and not reads_logits and has_classifier(distiller.student):
        return Finding('warning', f"{text}: no term reads the student's logits, so its classifier learns nothing. "
                       "Set task_weight above 0, or add a term on 'logits'.")
    if idle:
        return Finding('warning', f'{text}: without effect is {", ".join(idle)}. Remove it, or set its weight above 0.')
    return Finding('ok', f'{text}.')


def check_indices(recipe: Recipe) -> Iterator[Finding]:
    """Losses that keep something of each training image get its number."""
    users = [name for name, term in recipe.distiller.terms.items() if term.uses_indices] if recipe.distiller else []
    if users:
        check_sample_indices(recipe.distiller, recipe.dataset('train'))
        yield Finding('ok', f'{", ".join(users)} get the numbers of the training images.')


def _count(model: torch.nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def _by(size: tuple[int, int]) -> str:
    return f'{size[0]}×{size[1]}'


CHECKS: dict[str, Check] = {
    'training': check_training, 'files': check_files, 'models': check_models, 'weights': check_weights,
    'data': check_batches, 'images': check_images, 'labels': check_labels, 'classes': check_classes,
    'splits': check_data_fit, 'validation': check_validation, 'label order': check_label_order,
    'term weights': check_term_weights, 'sample indices': check_indices, 'training step': check_gradients,
    'cost': check_cost}
