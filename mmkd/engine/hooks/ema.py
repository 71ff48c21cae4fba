"""The running average of a run's weights."""
from typing import Any

from mmengine.hooks import EMAHook as IterationEMAHook
from mmengine.optim import OptimWrapperDict
from mmengine.runner import Runner

from mmkd.layers.running_average import OptimizerSteps
from mmkd.registry import HOOKS
from mmkd.utils import UserError


@HOOKS.register_module()
class EMAHook(IterationEMAHook):
    """Keeps an exponential moving average of the weights, and validates and saves it.

    MMEngine's hook of this name, but the average moves once an optimizer step: not once a batch, which under gradient
    accumulation would take the same weights in again and again. Steps that a gradient scaler leaves out do not count.
    Averaged are all parameters and, unless ``update_buffers=False``, the batch norms' running means and variances; see
    :class:`mmkd.layers.running_average.RunningAverage`. A checkpoint is as MMEngine's: ``state_dict`` is the average,
    ``ema_state_dict`` the weights themselves, and a resumed run goes on with both.

    Args:
        ema_type: The kind of average.
        strict_load: Whether a resumed checkpoint must have the average of each tensor.
        begin_iter: Batches before the average begins; until then it is the model.
        begin_epoch: The same in epochs.
        update_buffers: Whether to average the norms' statistics, too. If not, they are those of the last batch.
        **kwargs: Further arguments of the average: ``momentum``, what the present weights count for (one minus the
            decay); ``interval``, in optimizer steps.

    Raises:
        UserError: The run has no PyTorch optimizer of the model's parameters.
    """

    def __init__(self, ema_type: str = 'mmkd.RunningAverage', strict_load: bool = False, begin_iter: int = 0,
                 begin_epoch: int = 0, update_buffers: bool = True, **kwargs: Any) -> None:
        super().__init__(ema_type, strict_load, begin_iter, begin_epoch, update_buffers=update_buffers, **kwargs)
        self._steps = OptimizerSteps()

    def before_train(self, runner: Runner) -> None:
        """Begins to count optimizer steps."""
        super().before_train(runner)
        self._steps.watch(runner.model)
        wrapper = runner.optim_wrapper
        wrappers = list(wrapper.values()) if isinstance(wrapper, OptimWrapperDict) else [wrapper]
        if not self._steps.concerns(getattr(item, 'optimizer', None) for item in wrappers):
            names = ', '.join(type(item).__name__ for item in wrappers)
            raise UserError("mmkd.EMAHook expects a PyTorch optimizer that holds the model's parameters, to count its "
                            f"steps, got none in {names}. Take MMEngine's EMAHook, which counts batches.")

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        """Moves the average if the optimizer has stepped."""
        if self._steps.taken() or not self._ema_started(runner):
            super().after_train_iter(runner, batch_idx, data_batch, outputs)
        elif not self.ema_model.update_buffers:
            for own, source in zip(self.ema_model.module.buffers(), self.src_model.buffers()):
                own.copy_(source)
