"""Whether the classes of a model have the order of the data's: its accuracy on a few images."""
import math
from collections.abc import Callable, Iterator

import torch
from mmengine.structures import BaseDataElement
from torch import Tensor

from mmkd.engine.models import class_count

from .recipe import Finding, Recipe
from .weightless import teacher_role

SIGNIFICANT = 1e-3
PERMUTATIONS = 50


def check_label_order(recipe: Recipe) -> Iterator[Finding]:
    """The accuracy of each teacher with weights, and of a student with weights, is above chance."""
    if not recipe.config.get('val_dataloader') or 'gt_label' not in recipe.batches('val')[0]['data_samples'][0]:
        return  # boxes or maps
    classes = len((getattr(recipe.bank, 'metainfo', None) or {}).get('classes') or ())
    if classes and any(class_count(model) != classes for model in recipe.single_models().values()):
        return  # features are validated on classes of their own
    recipe.model.eval()
    predictors: dict[str, Callable] = {'student' if recipe.distiller else 'model': _own_predictions(recipe)}
    if recipe.distiller is not None:
        predictors |= {teacher_role(name): teacher.predict for name, teacher in recipe.distiller.teachers.items()}
    for role in sorted(recipe.has_weights & set(predictors), reverse=True):
        yield _order_finding(role, *_predicted(recipe, predictors[role]))


def _own_predictions(recipe: Recipe) -> Callable:
    def predict(inputs: Tensor, data_samples: list) -> list:
        return recipe.model(inputs, data_samples, mode='predict')
    return predict


@torch.no_grad()
def _predicted(recipe: Recipe, predict: Callable) -> tuple[Tensor, Tensor, int]:
    """Predicted classes and labels (M,) of the validation images that were loaded, and the number of classes."""
    classes, labels, count = [], [], 0
    for batch in recipe.batches('val'):
        data = recipe.model.data_preprocessor(batch, False)
        for sample in predict(data['inputs'], data['data_samples']):
            if len(sample.gt_label) == 1:
                classes.append(_class_of(sample))
                labels.append(int(sample.gt_label))
                count = max(count, len(sample.pred_score) if 'pred_score' in sample else 0)
    return torch.tensor(classes), torch.tensor(labels), count


def _class_of(sample: BaseDataElement) -> int:
    return int(sample.pred_score.argmax()) if 'pred_score' in sample else int(sample.pred_label)


def _order_finding(role: str, classes: Tensor, labels: Tensor, count: int) -> Finding:
    hits, total = int((classes == labels).sum()), len(labels)
    chance = chance_agreement(classes, labels, count)
    text = f'the {role} classifies {hits} of {total} validation images correctly'
    if at_least(hits, total, chance) < SIGNIFICANT:
        return Finding('ok', f'{text} (by chance: {chance * total:.1f}).')
    if at_least(total, total, chance) >= SIGNIFICANT:
        return Finding('warning', f'{text}: too few images to tell from chance ({chance * total:.1f}). '
                       'Give more --batches.')
    level = 'error' if role.startswith('teacher') else 'warning'
    if are_related(classes, labels):
        return Finding(level, f'{text}, no more than by chance ({chance * total:.1f}), but its predictions go with '
                       "the labels: its classes have another order. Bring the data's into the order that it was "
                       "trained with (the dataset's classes, or its annotation file).")
    return Finding(level, f'{text}, no more than by chance ({chance * total:.1f}). Check that its weights belong to '
                   'these classes, and its normalisation and input size.')


def chance_agreement(classes: Tensor, labels: Tensor, count: int) -> float:
    """The agreement that predictions would have with labels that they have nothing to do with.

    Args:
        classes: Predicted classes (M,).
        labels: Labels (M,).
        count: The number of classes.

    Returns:
        The sum over classes of the share among the predictions times that among the labels; at least 1 / count.
    """
    size = int(max(classes.max(), labels.max())) + 1
    shares = [torch.bincount(values, minlength=size) / len(values) for values in (classes, labels)]
    return max(float((shares[0] * shares[1]).sum()), 1 / max(count, size))


def at_least(hits: int, total: int, chance: float) -> float:
    """The probability of that many hits or more in a binomial distribution."""
    if chance >= 1:
        return 1.
    logs = [math.lgamma(total + 1) - math.lgamma(k + 1) - math.lgamma(total - k + 1) + k * math.log(chance)
            + (total - k) * math.log1p(-chance) for k in range(hits, total + 1)]
    return min(1., math.fsum(map(math.exp, logs)))


def are_related(classes: Tensor, labels: Tensor) -> bool:
    """Whether predictions say more of the labels than they would if these were shuffled."""
    generator = torch.Generator().manual_seed(0)
    shuffled = [_best_renaming(classes, labels[torch.randperm(len(labels), generator=generator)])
                for _ in range(PERMUTATIONS)]
    return _best_renaming(classes, labels) > max(shuffled)


def _best_renaming(classes: Tensor, labels: Tensor) -> int:
    """The hits if each predicted class were called by the label that it meets most often."""
    table = torch.zeros(int(classes.max()) + 1, int(labels.max()) + 1, dtype=torch.long)
    table.index_put_((classes, labels), torch.ones_like(classes), accumulate=True)
    return int(table.amax(dim=1).sum())
