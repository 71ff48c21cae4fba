"""Errors of several models on the same corrupted images, and the mean corruption error beside a baseline."""
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from mmkd.datasets.classification.imagenet_variants import CORRUPTIONS, SEVERITIES
from mmkd.evaluation.corruption_error import ALEXNET_ERRORS
from mmkd.evaluation.scores import NUM_CLASSES
from mmkd.utils import UserError, nearest

from .corruptions import Corruptions, check_corruptions

ALEXNET = 'alexnet'
Classify = Callable[[Tensor], Tensor]  # RGB images (N, 3, H, W) of uint8 to predicted classes (N,)


@dataclass(frozen=True)
class CorruptionErrors:
    """Errors of a model, as shares of the images.

    Args:
        clean: On the images as they are.
        corrupted: (corruptions, severities).
        images: How many images there are.
    """
    clean: float
    corrupted: np.ndarray
    images: int


def corruption_errors(models: Mapping[str, Classify], batches: Iterable[tuple[Tensor, Tensor]], seed: int = 0,
                      corruptions: Sequence[str] = CORRUPTIONS, severities: Sequence[int] = SEVERITIES
                      ) -> dict[str, CorruptionErrors]:
    """Tests models on corrupted images; each image is corrupted once, and all models see the same bits.

    The batches are spread over the processes of ``torch.distributed``, if there are several.

    Args:
        models: Label to classifier.
        batches: RGB images (N, 3, H, W) of uint8, on the CPU, and labels (N,).
        seed: Of the corruptions.
        corruptions: Which.
        severities: Which.

    Raises:
        UserError: There are no images, they cannot be corrupted, or a corruption is named twice.
    """
    check_corruptions(corruptions, severities)
    corrupt = Corruptions(seed)
    rank, world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    wrong = {label: np.zeros((len(corruptions), len(severities)), dtype=np.int64) for label in models}
    clean, total, first = dict.fromkeys(models, 0), 0, 0
    for turn, (images, labels) in enumerate(batches):
        start, first = first, first + len(images)
        if turn % world != rank:
            continue
        total += len(images)
        for label, classify in models.items():
            clean[label] += _wrong(classify, images, labels)
        pixels = images.permute(0, 2, 3, 1).numpy()
        for row, name in enumerate(corruptions):
            for column, severity in enumerate(severities):
                changed = torch.from_numpy(np.stack([corrupt(image, start + i, name, severity)
                                                     for i, image in enumerate(pixels)])).permute(0, 3, 1, 2)
                for label, classify in models.items():
                    wrong[label][row, column] += _wrong(classify, changed, labels)
    counts = {label: np.append(wrong[label], [clean[label], total]) for label in models}
    counts = {label: _summed(each) if world > 1 else each for label, each in counts.items()}
    if not first:
        raise UserError('corruptions expect images, got none. Give some by --images.')
    return {label: CorruptionErrors(each[-2] / each[-1], (each[:-2] / each[-1]).reshape(wrong[label].shape),
                                    int(each[-1])) for label, each in counts.items()}


def corruption_error(errors: np.ndarray, baseline: np.ndarray) -> np.ndarray:
    r"""The error under each corruption beside that of a baseline; its mean over the corruptions is the mCE.

    .. math:: CE_c = \frac{\sum_s E_{s,c}}{\sum_s E^{baseline}_{s,c}}, \quad mCE = \frac1C \sum_c CE_c

    Args:
        errors: (corruptions, severities).
        baseline: The same of the baseline.

    Returns:
        (corruptions,): NaN where the baseline has no error.
    """
    below = baseline.sum(1)
    return np.divide(errors.sum(1), below, out=np.full(len(errors), np.nan), where=below > 0)


def baseline_errors(name: str | None, errors: Mapping[str, CorruptionErrors], corruptions: Sequence[str],
                    severities: Sequence[int], classes: int) -> tuple[str, np.ndarray]:
    """The baseline that a command names.

    Args:
        name: Label of a model, or ``alexnet`` for ImageNet-1K; None takes the first model.
        errors: Of all models.
        corruptions: Which were tested.
        severities: Which were tested.
        classes: Classes of the models.

    Returns:
        What the baseline is called, and its errors.

    Raises:
        UserError: There is no such model, or AlexNet's errors are not those on these images.
    """
    name = name or next(iter(errors))
    if name in errors:
        return name, errors[name].corrupted
    if name != ALEXNET:
        raise UserError(f'--baseline expects the label of a model, or {ALEXNET}, got {name!r}. '
                        f'{nearest(name, [*errors, ALEXNET])}')
    if classes != NUM_CLASSES or tuple(severities) != SEVERITIES or not set(corruptions) <= set(ALEXNET_ERRORS):
        raise UserError(f"--baseline {ALEXNET} expects all five severities of ImageNet's 1,000 classes, got "
                        f'{len(severities)} of {classes} classes. Name one of the models.')
    means = np.array([ALEXNET_ERRORS[name] for name in corruptions])
    return 'AlexNet', np.repeat(means[:, None], len(severities), axis=1)


def _wrong(classify: Classify, images: Tensor, labels: Tensor) -> int:
    return int((classify(images).cpu() != labels).sum())


def _summed(counts: np.ndarray) -> np.ndarray:
    tensor = torch.tensor(counts, device='cuda' if dist.get_backend() == 'nccl' else 'cpu')
    dist.all_reduce(tensor)
    return tensor.cpu().numpy()
