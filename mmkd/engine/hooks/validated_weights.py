"""Noting in each checkpoint which of its weights the run validates."""
from mmengine.hooks import EMAHook, Hook
from mmengine.runner import Runner

from mmkd.registry import HOOKS
from mmkd.utils.checkpoints.weights import BOTH, EMA, RAW


@HOOKS.register_module()
class ValidatedWeightsHook(Hook):
    """Writes ``'raw'``, ``'ema'`` or ``'both'`` into ``meta['validated_weights']`` of every checkpoint.

    ``tools/test.py`` and ``publish_student.py`` take what is noted there, so that they report and publish what the
    training's log speaks of. ``tools/train.py`` adds this hook to every run.
    """

    priority = 'VERY_LOW'

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Notes it.

        Args:
            runner: The runner.
            checkpoint: What will be written.
        """
        checkpoint.setdefault('meta', {})['validated_weights'] = validated_weights(runner)


def validated_weights(runner: Runner) -> str:
    """Which weights a run validates: those of its ``EMAHook``, MMEngine's or mmpretrain's or another, if it has one."""
    hook = next((hook for hook in runner.hooks if isinstance(hook, EMAHook) or hasattr(hook, 'ema_model')), None)
    if hook is None:
        return RAW
    average, origin = getattr(hook, 'evaluate_on_ema', True), getattr(hook, 'evaluate_on_origin', False)
    return BOTH if average and origin else EMA if average else RAW
