"""Checks of a distillation recipe that need its loop and its data, before the first image is read."""
from collections.abc import Iterator, Sized
from typing import Any

from mmkd.distillers import Distiller, Term
from mmkd.distillers.schedule import Progress
from mmkd.utils import UserError


def check_recipe(distiller: Distiller, length: Progress, dataset: object) -> None:
    """Checks schedules against the length of training, and the training set against losses that ask for indices.

    Args:
        distiller: The distiller.
        length: The length of training; ``max_epochs`` is 0 where it counts iterations only.
        dataset: The training set.

    Raises:
        UserError: Something does not fit; the message says how to mend it.
    """
    for name, term in distiller.terms.items():
        if name == 'task':
            raise UserError("a term expects another name than 'task', which is that of the student's own loss in the "
                            'log. Rename it.')
        try:
            term.weight.check(length)
        except UserError as error:
            raise UserError(f'term {name!r}: {error}') from error
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
