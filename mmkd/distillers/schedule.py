"""The weight of a term in the course of training."""
import math
from dataclasses import dataclass, fields

from mmengine.logging import MessageHub

from mmkd.utils import UserError, nearest
from mmkd.utils.building.arguments import COUNT, FLAG, NON_NEGATIVE, NONE, check_arguments, either, one_of, whole

DECAYS = ('linear', 'cosine')


@dataclass(frozen=True)
class Progress:
    """How far a training run has come.

    Args:
        epoch: Epochs done.
        iter: Iterations done.
        max_epochs: Epochs of the run, or 0 where it counts iterations only.
        max_iters: Iterations of the run.
    """
    epoch: int = 0
    iter: int = 0
    max_epochs: int = 0
    max_iters: int = 0

    @classmethod
    def current(cls) -> 'Progress':
        """Reads what MMEngine's Runner says of itself; zeros outside of a run, of which its last words are left."""
        info = MessageHub.get_current_instance().runtime_info
        if 'loop_stage' not in info:
            return cls()
        return cls(**{field.name: info.get(field.name) or 0 for field in fields(cls)})


@dataclass(frozen=True)
class WeightSchedule:
    r"""A weight that is warmed up, may decay, and may stop.

    With :math:`e` epochs done, the weight is :math:`v \cdot \min(1, (e+1)/\mathrm{warmup})` times the decay, which
    falls from 1 to 0 between ``decay_from`` and ``stop``: linearly or as half a cosine. From ``stop`` on it is 0.

    Args:
        value: The full weight.
        warmup: Epochs of linear warm-up; the first has a weight above zero already.
        decay: ``'linear'``, ``'cosine'`` or None for none.
        decay_from: Epoch at which the decay begins.
        stop: Epoch from which on the term has no weight; None for never (a decay then ends with the training).
        by_epoch: Whether the numbers above are epochs; else iterations.

    Raises:
        UserError: A number is negative or not finite, or they are in no possible order.
    """
    value: float = 1.0
    warmup: int = 0
    decay: str | None = None
    decay_from: int = 0
    stop: int | None = None
    by_epoch: bool = True

    def __post_init__(self) -> None:
        check_arguments(
            'weight', value=(self.value, NON_NEGATIVE), warmup=(self.warmup, whole(0)),
            decay=(self.decay, either(one_of(DECAYS), NONE)), decay_from=(self.decay_from, whole(0)),
            stop=(self.stop, either(COUNT, NONE)), by_epoch=(self.by_epoch, FLAG))
        start = max(self.warmup, self.decay_from)
        if self.stop is not None and self.stop <= start:
            raise UserError(f'weight expects 0 <= warmup, decay_from < stop, got warmup={self.warmup}, '
                            f'decay_from={self.decay_from}, stop={self.stop}.')

    @classmethod
    def of(cls, weight: float | dict) -> 'WeightSchedule':
        """Reads a recipe's ``weight``: a number, or a dict of the arguments above."""
        if not isinstance(weight, dict):
            return cls(weight)
        names = [field.name for field in fields(cls)]
        for name in weight:
            if name not in names:
                raise UserError(f'weight expects {", ".join(names)}, got {name!r}. {nearest(name, names)}')
        return cls(**weight)

    def at(self, progress: Progress) -> float:
        """The weight at a point of the training."""
        done, end = self._count(progress)
        end = self.stop if self.stop is not None else end
        if self.stop is not None and done >= self.stop:
            return 0.
        weight = self.value * min(1., (done + 1) / self.warmup) if self.warmup else self.value
        if self.decay and done > self.decay_from and end > self.decay_from:
            share = min(1., (done - self.decay_from) / (end - self.decay_from))
            weight *= 1 - share if self.decay == 'linear' else (1 + math.cos(math.pi * share)) / 2
        return weight

    def check(self, progress: Progress) -> None:
        """Compares the schedule with the length of a training run.

        Raises:
            UserError: It goes beyond the end of the training.
        """
        _, end = self._count(progress)
        last = max(self.warmup, self.decay_from, self.stop or 0)
        unit = 'epochs' if self.by_epoch else 'iterations'
        if (last or self.decay) and not end:
            raise UserError(f'weight counts {unit}, but the training does not. '
                            f'Set by_epoch={not self.by_epoch} and give the numbers in its unit.')
        if last > end:
            raise UserError(f'weight expects a schedule within the {end} {unit} of the training, got one up to {last}.')

    def _count(self, progress: Progress) -> tuple[int, int]:
        return (progress.epoch, progress.max_epochs) if self.by_epoch else (progress.iter, progress.max_iters)
