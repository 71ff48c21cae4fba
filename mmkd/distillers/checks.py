"""What can only be checked once the length and the data of a training run are known."""
from collections.abc import Sized

from torch import nn

from mmkd.utils import UserError

from .schedule import Progress


def check_schedules(distiller: nn.Module, max_epochs: int, max_iters: int) -> None:
    """Compares the weight schedules of all terms with the length of the training.

    Args:
        distiller: The distiller.
        max_epochs: Epochs of the run; 0 where it counts iterations only.
        max_iters: Iterations of the run.

    Raises:
        UserError: A schedule goes beyond the end, or counts in another unit than the training.
    """
    for name, term in distiller.terms.items():
        try:
            term.weight.check(Progress(max_epochs=max_epochs, max_iters=max_iters))
        except UserError as error:
            raise UserError(f'term {name!r}: {error} Set model.terms.{name}.weight or the length of the '
                            'training.') from error


def check_sample_indices(distiller: nn.Module, dataset: Sized) -> None:
    """Checks that the images reach those losses that keep something of each with a number of their own.

    Args:
        distiller: The distiller.
        dataset: What it is trained on, initialised. One image is loaded, if a loss asks for the numbers.

    Raises:
        UserError: The pipeline drops the numbers, two images have the same one, or a loss has room for fewer.
    """
    terms = {name: term for name, term in distiller.terms.items() if term.uses_indices}
    if not terms:
        return
    numbered = _numbered(dataset)
    if 'sample_idx' not in dataset[0]['data_samples']:
        raise UserError(f"term {next(iter(terms))!r} expects data samples with sample_idx, got none. Add 'sample_idx' "
                        "to meta_keys of the training pipeline's last transform (PackInputs).")
    for name, term in terms.items():
        room = getattr(term.loss, 'num_samples', None)
        if room is not None and room < len(numbered):
            raise UserError(f'term {name!r} expects a loss with num_samples of at least {len(numbered)}, the number of '
                            f'training images, got {room}. Set model.terms.{name}.loss.num_samples={len(numbered)}.')


def _numbered(dataset: Sized) -> Sized:
    """The dataset inside wrappers that gives the images their numbers."""
    while True:
        inner = getattr(dataset, 'datasets', None)
        if inner and len(inner) > 1:
            raise UserError(f'a loss that keeps something of each image expects one dataset, got {len(inner)} '
                            'joined ones, whose images have the same numbers. Put the images into one annotation file.')
        inner = inner[0] if inner else getattr(dataset, 'dataset', None)
        if inner is None:
            return dataset
        dataset = inner
