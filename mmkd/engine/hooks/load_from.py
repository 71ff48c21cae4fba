"""Starting a run from weights of a student or of a distiller, whichever is trained."""
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmkd.engine.models import model_of
from mmkd.registry import HOOKS
from mmkd.zoo.loading import start_weights


@HOOKS.register_module()
class LoadFromHook(Hook):
    """Renames the weights of ``load_from`` to the model's, and refuses a file of which nothing fits.

    MMEngine loads what fits and only warns about the rest: of a student's file, a distiller gets not one tensor, and a
    student none of a distiller's. Of a file with raw and averaged weights, those that its run validated are taken, or
    those that ``load_from='FILE#raw'`` or ``'FILE#ema'`` says. What terms have learnt of a teacher starts anew; see
    :func:`~mmkd.zoo.loading.start_weights`. ``tools/train.py`` adds this hook to every run.
    """

    priority = 'VERY_HIGH'

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Puts the weights in place that are loaded next; leaves a run that is resumed alone.

        Args:
            runner: The runner.
            checkpoint: What was read from the file.

        Raises:
            UserError: Not a single tensor fits, or one of them is not finite.
        """
        if runner._resume:
            return
        model = model_of(runner)
        source = f'load_from={runner._load_from}'
        weights, matched, problem = start_weights(checkpoint, model, source)
        checkpoint['state_dict'] = weights
        checkpoint.pop('ema_state_dict', None)  # a new average starts from these weights
        text = f'{source}: {matched}'
        runner.logger.info(f'{text}; {problem}.' if problem else f'{text}.')
