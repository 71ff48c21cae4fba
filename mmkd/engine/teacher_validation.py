"""Validating a teacher as the student is validated, and comparing the two image by image."""
import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from mmengine.dist import all_reduce, get_rank, get_world_size
from mmengine.evaluator import Evaluator
from torch import Tensor
from torch.utils.data import DataLoader, SequentialSampler

from mmkd.distillers import Teacher
from mmkd.utils.command_line.durations import clock
from mmkd.utils.randomness import unchanged_generators

LINE_SECONDS = 15.0
TINY = torch.finfo(torch.float32).tiny  # a probability that underflows counts as this one


@contextmanager
def unchanged_randomness(loader: DataLoader) -> Iterator[DataLoader]:
    """Lends a data loader, and afterwards puts all random states back as they were.

    What is lent is a shallow copy: persistent workers belong to it and end with it, since those of the loader itself
    would save it a draw from PyTorch's generator later on.
    """
    own = loader.generator.get_state() if loader.generator is not None else None
    with unchanged_generators():
        try:
            yield copy.copy(loader)
        finally:
            if own is not None:
                loader.generator.set_state(own)


@torch.no_grad()
def validate(teacher: Teacher, preprocess: Callable[[dict, bool], dict], loader: DataLoader,
             evaluator: Evaluator | None, keep: bool, say: Callable[[str], None]) -> tuple[dict, list[Tensor] | None]:
    """Runs a teacher over a validation set.

    Args:
        teacher: The teacher.
        preprocess: The student's data preprocessor.
        loader: The validation set.
        evaluator: What computes the metrics; it is copied. None for no metrics.
        keep: Whether to return the predictions, where they are probabilities of classes.
        say: Gets a line now and then on how long it will take.

    Returns:
        The metrics that are numbers; and for each batch the log-probabilities (N, C) in fp32 on the CPU, or None.
    """
    evaluator, kept = copy.deepcopy(evaluator), []
    for batch in _with_progress(loader, say):
        data = preprocess(batch, False)
        samples = teacher.predict(**data) if isinstance(data, dict) else teacher.predict(*data)
        if keep:
            scores = probabilities(samples)
            keep = scores is not None
            kept.append(scores.log() if keep else None)
        if evaluator is not None:
            evaluator.process(data_samples=samples, data_batch=batch)
    metrics = evaluator.evaluate(len(loader.dataset)) if evaluator is not None else {}
    numbers = {name: float(value) for name, value in metrics.items()
               if np.ndim(value) == 0 and not isinstance(value, str)}
    return numbers, kept if keep else None


def probabilities(samples: Sequence) -> Tensor | None:
    """The class probabilities (N, C) of a batch in fp32 on the CPU; None for anything but single-label classifiers."""
    if not samples or 'pred_score' not in samples[0]:
        return None
    scores = torch.stack([sample.pred_score for sample in samples]).float().cpu()
    one = scores.ndim == 2 and torch.allclose(scores.sum(1), torch.ones(len(scores)), atol=1e-2)
    return scores.clamp_min(TINY) if one else None


def _with_progress(loader: DataLoader, say: Callable[[str], None]) -> Iterator[dict]:
    start = spoken = time.monotonic()
    for number, batch in enumerate(loader):
        yield batch
        now = time.monotonic()
        if now - spoken > LINE_SECONDS and number + 1 < len(loader):
            spoken = now
            left = (now - start) / (number + 1) * (len(loader) - number - 1)
            say(f'{number + 1} of {len(loader)} batches, about {clock(left)} left')


def has_fixed_order(loader: DataLoader) -> bool:
    """Whether a loader is known to give the same images in the same order every time."""
    sampler = loader.sampler if loader.batch_size is not None else getattr(loader.batch_sampler, 'sampler', None)
    return isinstance(sampler, SequentialSampler) or getattr(sampler, 'shuffle', None) is False


class Agreement:
    r"""Compares the student's predictions on a validation set with those kept of a teacher.

    Args:
        kept: Log-probabilities (N, C) of each batch of this process.
        size: Images of the whole validation set; what the sampler added to give all processes equally many is left
            out, as in MMEngine's metrics.
    """

    def __init__(self, kept: list[Tensor], size: int) -> None:
        self._kept = kept
        self._own = math.ceil(max(size - get_rank(), 0) / get_world_size())
        self.clear()

    def clear(self) -> None:
        """Forgets what was compared."""
        self._sums = torch.zeros(3, dtype=torch.float64)  # images, same top-1, KL

    def add(self, batch: int, samples: Sequence) -> None:
        """Compares one batch of the student's predictions."""
        student = probabilities(samples)
        if student is None or batch >= len(self._kept) or student.shape != self._kept[batch].shape:
            return
        left = self._own - int(self._sums[0])
        teacher, student = self._kept[batch][:left], student[:left].log()
        same = (teacher.argmax(1) == student.argmax(1)).sum()
        divergence = (teacher.double().exp() * (teacher.double() - student.double())).sum()
        self._sums += torch.tensor([len(teacher), int(same), float(divergence)])

    def result(self) -> dict[str, float]:
        r"""Sums up over all processes.

        Returns:
            ``teacher_agreement``, the share of images with the same top-1 in per cent, and ``teacher_kl``, the mean of
            :math:`KL(p_t \| p_s)` in nats; nothing where nothing could be compared.
        """
        sums = self._sums.clone()
        all_reduce(sums)
        count, same, divergence = sums.tolist()
        return dict(teacher_agreement=100 * same / count, teacher_kl=divergence / count) if count else {}
