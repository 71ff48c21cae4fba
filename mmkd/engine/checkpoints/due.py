"""When a run writes checkpoints."""
from mmengine.hooks import CheckpointHook
from mmengine.runner import IterBasedTrainLoop, Runner


def may_be_saved(runner: Runner, batch_idx: int) -> bool:
    """Whether a checkpoint may be written after the present iteration, or as the best of the validation that follows.

    Args:
        runner: The runner, in a hook after an iteration.
        batch_idx: The iteration in its epoch, as hooks are told.
    """
    loop, hooks, done = runner.train_loop, runner.hooks, runner.iter + 1
    if done == runner.max_iters or any(
            hook.every_n_train_iters(runner, hook.interval, hook.save_begin)
            for hook in hooks if isinstance(hook, CheckpointHook) and not hook.by_epoch):
        return True
    if not isinstance(loop, IterBasedTrainLoop):
        return batch_idx + 1 == len(runner.train_dataloader)
    return runner.val_loop is not None and done >= loop.val_begin and any(
        done % interval == 0 for interval in loop.dynamic_intervals)
