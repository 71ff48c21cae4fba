"""What can only be checked once the length and the data of a training run are known."""
from collections.abc import Iterator, Sized
from typing import Any

from torch import nn

from mmkd.distillers import Term
from mmkd.distillers.schedule import Progress
from mmkd.utils import UserError


def check_schedules(distiller: nn.Module, length: Progress) -> None:
    """Compares the weight schedules of all terms with the length of the training.

    Args:
        distiller: The distiller.
        length: The length of the training; ``max_epochs`` is 0 where it counts iterations only.

    Raises:
        UserError: A schedule goes beyond the end, or counts in another unit than the training.
    """
    for name, term in distiller.terms.items():
        try:
            term.weight.check(length)
        except UserError as error:
            raise UserError(f'term {name!r}: {error} Set model.terms.{name}.weight or the length of the '
                            'training.') from error


def check_estimates(distiller: nn.Module, iterations: int) -> None:
    """Checks that the estimates of the terms' ``teacher_norm`` end within the training; until then terms teach nothing.

    Args:
        distiller: The distiller.
        iterations: The length of the training; 0 if it is not known.

    Raises:
        UserError: One would not end.
    """
    for name, term in distiller.terms.items():
        steps = max((norm.steps for norm in term.teacher_norms or () if not norm.is_estimated), default=0)
        if iterations and steps > iterations:
            raise UserError(f'term {name!r} expects a training longer than the {steps} iterations that its '
                            f'teacher_norm estimates from, got {iterations}, in which it would teach nothing. Set '
                            f'model.terms.{name}.teacher_norm.steps, to a tenth of them or less.')


def check_sample_indices(distiller: nn.Module, dataset: object) -> None:
    """Checks that a number of each image reaches those losses that keep something of it, without reading any.

    Args:
        distiller: The distiller.
        dataset: The training set.

    Raises:
        UserError: The pipeline drops the numbers, two images have the same one, or a loss has room for fewer.
    """
    for term in distiller.terms.values():
        if term.uses_indices:
            _check_indices(term, dataset)


def _check_indices(term: Term, dataset: object) -> None:
    loss = type(term.loss).__name__
    sources = list(_sources(dataset))
    for _, keys in sources:
        if keys is not None and 'sample_idx' not in keys:
            raise UserError(f"term {term.name!r}: {loss} expects 'sample_idx' among the meta_keys of the training "
                            f"pipeline's last transform, got {', '.join(keys) or 'none'}. Add it there.")
    if len(sources) > 1:
        raise UserError(f'term {term.name!r}: {loss} expects one training set, got {len(sources)}, whose indices begin '
                        'at 0 each. List all images in one annotation file.')
    size, known = getattr(term.loss, 'num_samples', None), sources[0][0]
    if size is not None and isinstance(known, Sized) and len(known) > size:
        raise UserError(f'term {term.name!r}: {loss} expects at most num_samples={size} training images, got '
                        f'{len(known)}. Set num_samples={len(known)} in its loss.')


def _sources(dataset: Any) -> Iterator[tuple[object, tuple[str, ...] | None]]:
    """The datasets that number the samples, inside wrappers that repeat, join or choose, and the meta keys of each.

    The keys are None where no transform is known to pack them.
    """
    pipeline = getattr(dataset, 'pipeline', None)
    transforms = getattr(pipeline, 'transforms', pipeline)
    packing = [transform for transform in transforms if hasattr(transform, 'meta_keys')] if transforms else []
    inner = getattr(dataset, 'datasets', None) or ([dataset.dataset] if hasattr(dataset, 'dataset') else [])
    if inner and not packing:
        for item in inner:
            yield from _sources(item)
    else:
        yield dataset, tuple(packing[-1].meta_keys) if packing else None
