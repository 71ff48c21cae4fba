"""Stopping at the first step that is not finite."""
from mmengine.dist import all_gather_object
from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import IterBasedTrainLoop, Runner

from mmkd.registry import HOOKS
from mmkd.utils import UserError

from ..blame import explain, listed
from ..checkpoints.due import may_be_saved
from ..finite import FiniteGuard, Reading


@HOOKS.register_module()
class FiniteTrainingHook(Hook):
    """Stops a run at the first step with a NaN, an infinity or a divergence, before anything more is saved.

    Read are, in every step: each loss; what each teacher gave; and after an update the length of each parameter. A
    loss beyond 1e12, and a parameter whose root mean square is beyond 1000 and beyond 1000 times the one that it began
    with, count as diverged. Where a checkpoint may follow, or a validation whose best weights are kept, the buffers are
    read, too. Under dynamic loss scaling a gradient that overflows is no fault, unless the scale falls to 2⁻²⁴.

    On CUDA the numbers of a step are read when the next one is on its way, so that nothing waits for the device (but
    for a fused optimizer under loss scaling, which is asked whether it has stepped), and before a checkpoint is written
    or the model validated; elsewhere at once. Several processes stop together, and all of them name the fault that one
    has found.

    ``tools/train.py`` adds it to every run.

    Raises:
        UserError: A step is not finite. The message names the step, the loss, teacher, image or weight, and the files
            of the batch.
    """

    priority = 'VERY_HIGH'  # before anything is averaged, logged or saved

    def __init__(self) -> None:
        self._guard: FiniteGuard | None = None
        self._waiting: Reading | None = None

    def before_train(self, runner: Runner) -> None:
        """Notes how the weights begin."""
        self._waiting = None
        self._guard = FiniteGuard(runner.model, runner.optim_wrapper)
        if self._guard.unfit:
            raise UserError(f'training expects finite weights at its start, got nan or inf in '
                            f'{listed(self._guard.unfit)}. Start from another checkpoint.')

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        """Reads this step, and judges the one before, or this one where the numbers are there or will be needed."""
        iterations = isinstance(runner.train_loop, IterBasedTrainLoop)
        step, now = f'step {runner.iter + 1}', may_be_saved(runner, batch_idx)
        if not iterations:
            step += f' (epoch {runner.epoch + 1}, step {batch_idx + 1} of {len(runner.train_dataloader)})'
        reading = self._guard.read(outputs, step, data_batch, buffers=now)
        self._judge(runner)
        self._waiting = reading
        if now or reading.arrival is None:
            self._judge(runner)

    def before_val(self, runner: Runner) -> None:
        """Judges the last step."""
        self._judge(runner)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Judges the last step, where another hook saves between two of them."""
        self._judge(runner, together=False)

    def after_train(self, runner: Runner) -> None:
        """Judges the last step."""
        self._judge(runner)
        self._guard.close()

    def _judge(self, runner: Runner, together: bool = True) -> None:
        reading, self._waiting = self._waiting, None
        if reading is None or not reading.is_bad():
            return
        found = explain(self._guard, reading)
        reports = all_gather_object(found) if together else [found]
        rank = min(range(len(reports)), key=lambda i: reports[i][0])
        where = f' in process {rank}' if len(reports) > 1 else ''
        raise UserError(f'{reading.step} expects finite numbers, got{where} '
                        f'{reports[rank][1] or "a fault of another process."} '
                        f'The run has stopped. {_last_checkpoint(runner)}')


def _last_checkpoint(runner: Runner) -> str:
    """Where the last good checkpoint lies: all that were written before are good."""
    hooks = [hook for hook in runner.hooks if isinstance(hook, CheckpointHook)]
    resumed = runner.message_hub.get_info('last_ckpt') if 'last_ckpt' in runner.message_hub.runtime_info else None
    for hook in hooks:
        for path in (getattr(hook, 'last_ckpt', None), resumed):
            if path and hook.file_backend.exists(path):
                return f'The last good checkpoint is {path}.'
    return 'No checkpoint was written yet.'
