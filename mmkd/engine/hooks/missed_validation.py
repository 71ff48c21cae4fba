"""The validation that an interruption cut off."""
from pathlib import Path

from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop, Runner

from mmkd.engine.resume.position import batches_of_epoch, by_epoch, end_of
from mmkd.registry import HOOKS
from mmkd.utils.files.small import read_json, write_json

MARK = 'last_validation.json'


@HOOKS.register_module()
class MissedValidationHook(Hook):
    """Validates a resumed run before it goes on, if it was interrupted between a checkpoint and its validation.

    A checkpoint is written before the validation of its epoch, so MMEngine would leave that one out, and a run
    that was interrupted in its last validation would end without its result. The position of the last complete
    validation is kept beside the checkpoints, in ``last_validation.json``. ``tools/train.py`` adds this hook to
    every run.
    """

    priority = 'LOWEST'  # after all else is ready for training

    def __init__(self) -> None:
        self._resumed = self._training = False

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Notes that the run is resumed."""
        self._resumed = runner._resume

    def before_train(self, runner: Runner) -> None:
        """Makes up for a validation, or forgets those of an earlier run in this folder."""
        self._training = True
        path = Path(runner.work_dir, MARK)
        missed = [self._resumed and is_due(runner) and read_json(path) != _position(runner)]
        broadcast_object_list(missed)  # what rank 0 reads
        if not self._resumed and is_main_process():
            path.unlink(missing_ok=True)
        if missed[0]:
            print_log(f'The run was interrupted before its validation at epoch {runner.epoch}, iteration '
                      f'{runner.iter}: validating now.', 'current')
            runner.message_hub.update_info_dict(_last_step(runner))  # by which the terms' weights go
            runner.val_loop.run()
            runner.message_hub.update_info_dict(_position(runner))

    def after_val_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        """Notes a complete validation."""
        if self._training and is_main_process():
            write_json(Path(runner.work_dir, MARK), _position(runner))


def is_due(runner: Runner) -> bool:
    """Whether the training loop validates where it stands."""
    loop = runner.train_loop
    if not isinstance(loop, (EpochBasedTrainLoop, IterBasedTrainLoop)):
        return False
    loop._decide_current_val_interval()
    done = loop.epoch if by_epoch(loop) else loop.iter
    return (runner.val_loop is not None and done > 0 and done >= loop.val_begin and batches_of_epoch(loop) == 0
            and (done % loop.val_interval == 0 or done == end_of(loop)))


def _position(runner: Runner) -> dict[str, int]:
    return dict(epoch=runner.epoch, iter=runner.iter)


def _last_step(runner: Runner) -> dict[str, int]:
    """Epoch and iteration as they are counted in the step before."""
    return dict(epoch=runner.epoch - by_epoch(runner.train_loop), iter=runner.iter - 1)
