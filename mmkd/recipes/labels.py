"""The check of a recipe that the images have labels, where something asks for them."""
from collections.abc import Iterator

from mmkd.distillers.inputs import has_labels

from .recipe import Finding, Recipe


def check_labels(recipe: Recipe) -> Iterator[Finding]:
    """The training images have labels, or neither the task loss nor any term needs them."""
    distiller, batches = recipe.distiller, recipe.batches('train')
    if distiller is None or all(has_labels(batch.get('data_samples')) for batch in batches):
        return
    if distiller.task_weight:
        yield Finding('error', f"the training images have no labels, but the student's own loss needs them "
                      f'(task_weight={distiller.task_weight:g}). Set model.task_weight=0.')
    needing = [name for name, term in distiller.terms.items() if term.weight.value and term.needs_target]
    for name in needing:
        yield Finding('error', f'the training images have no labels, but term {name!r} needs them for its '
                      f'{type(distiller.terms[name].loss).__name__}. Use a loss without a target, such as KDLoss.')
    if not distiller.task_weight and not needing:
        yield Finding('ok', 'the training images have no labels, and no term needs any.')
