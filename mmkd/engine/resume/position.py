"""Where a training loop stands, and going on from there."""
from collections.abc import Mapping

from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop
from mmengine.runner.base_loop import BaseLoop

from mmkd.utils import UserError

from .replay import NumberedBatches

OTHER_START = 'To start a new run from its weights, use --cfg-options load_from=FILE.'


def position_of(checkpoint: Mapping) -> tuple[int, int]:
    """The epoch and the iteration after which a checkpoint was written.

    Raises:
        UserError: The checkpoint does not tell.
    """
    meta = checkpoint.get('meta') if isinstance(checkpoint, Mapping) else None
    if not isinstance(meta, Mapping):
        raise UserError(f'--resume expects a training checkpoint, got one without meta. {OTHER_START}')
    values = [meta.get(name) for name in ('epoch', 'iter')]
    if any(type(value) is not int or value < 0 for value in values):
        raise UserError('--resume expects the epoch and the iteration in the meta of the checkpoint, got '
                        f'epoch {values[0]!r} and iter {values[1]!r}. {OTHER_START}')
    return values[0], values[1]


def by_epoch(loop: BaseLoop) -> bool:
    """Whether a loop counts epochs."""
    return not isinstance(loop, IterBasedTrainLoop)


def end_of(loop: BaseLoop) -> int:
    """The last epoch of a loop, or its last iteration."""
    return loop.max_epochs if by_epoch(loop) else loop.max_iters


def batches_of_epoch(loop: BaseLoop) -> int:
    """How many batches of the present epoch are trained; 0 in a loop that does not count epochs."""
    return loop.iter - loop.epoch * len(loop.dataloader) if by_epoch(loop) else 0


def go_on(loop: BaseLoop, batches: NumberedBatches | None) -> None:
    """Lets a resumed loop go on with the batch that follows, where MMEngine repeats an epoch or loads what it skips.

    Args:
        loop: The loop, at its position.
        batches: The loader's batch sampler; one of an iteration-based loop is advanced already.

    Raises:
        UserError: It stands inside an epoch, and cannot go on there.
    """
    if not by_epoch(loop):
        if batches is not None:
            loop.dataloader_iterator._epoch = batches.rounds
            loop.dataloader_iterator = _Advanced(loop.dataloader_iterator, loop.iter)
        return
    done = batches_of_epoch(loop)
    if done == 0:
        return
    if batches is None or type(loop).run_epoch is not EpochBasedTrainLoop.run_epoch:
        raise UserError(f'--resume expects a checkpoint of the end of an epoch for {type(loop).__name__} and these '
                        f'data, got one after {done} batches of an epoch. Resume from an epoch_*.pth.')
    batches.skip = done
    loop.run_epoch = lambda: _rest_of_epoch(loop, done)


def rewind(loop: IterBasedTrainLoop, batches: NumberedBatches) -> None:
    """Lets an iteration-based loop begin with the first batch, though other hooks have read of an endless sampler.

    Args:
        loop: The loop, before its first iteration.
        batches: The loader's batch sampler.
    """
    sampler = getattr(batches.batches, 'sampler', None)
    if batches.number and hasattr(sampler, '_indices_of_rank'):
        sampler.indices, batches.number = sampler._indices_of_rank(), 0
        loop.dataloader_iterator._iterator = iter(loop.dataloader)


def _rest_of_epoch(loop: EpochBasedTrainLoop, done: int) -> None:
    """An epoch as MMEngine runs it, without the first batches."""
    del loop.run_epoch  # the epochs that follow are whole
    loop.runner.call_hook('before_train_epoch')
    loop.runner.model.train()
    for index, batch in enumerate(loop.dataloader, done):
        loop.run_iter(index, batch)
    loop.runner.call_hook('after_train_epoch')
    loop._epoch += 1


class _Advanced:
    """The iterator of an iteration-based loop whose batches are advanced: the loop's own skipping does nothing.

    Args:
        iterator: The loop's own.
        steps: How many batches the loop skips.
    """

    def __init__(self, iterator: object, steps: int) -> None:
        self.iterator = iterator
        self.left = 0 if hasattr(iterator, 'skip_iter') else steps  # older loops skip by calling next

    def __iter__(self) -> '_Advanced':
        return self

    def skip_iter(self, number: int) -> None:
        """Does nothing."""

    def __next__(self) -> object:
        if self.left:
            self.left -= 1
            return None
        return next(self.iterator)
