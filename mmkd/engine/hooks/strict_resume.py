"""Resuming from this model's training checkpoints only."""
from collections.abc import Mapping

from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from mmkd.engine.models import model_of
from mmkd.registry import HOOKS
from mmkd.utils import UserError
from mmkd.utils.checkpoints.reading import compare


@HOOKS.register_module()
class StrictResumeHook(Hook):
    """Refuses to resume from a checkpoint of another model, or from one that cannot be resumed.

    MMEngine loads what fits, warns of the rest, and goes on or stops somewhere inside the optimizer. Loading
    weights without resuming (``load_from``) stays as lenient as it is. ``tools/train.py`` adds this hook to every
    run that resumes.
    """

    priority = 'VERY_HIGH'

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Compares the checkpoint with the model, before anything is loaded.

        Args:
            runner: The runner.
            checkpoint: What was read from the file.

        Raises:
            UserError: Tensors are missing, unexpected or of another shape, or it is no training checkpoint.
        """
        if not runner._resume:
            return
        lacking = [key for key in ('state_dict', 'meta', 'message_hub') if key not in checkpoint]
        if lacking:
            raise UserError(f'--resume expects a training checkpoint, got one without {", ".join(lacking)}. '
                            'To start a new run from its weights, use --cfg-options load_from=FILE.')
        model = model_of(runner)
        matched, problem = compare(model.state_dict(), _plain(checkpoint['state_dict']))
        if problem:
            raise UserError(f'{type(model).__name__} cannot be resumed: {matched}; {problem}. '
                            'This is a checkpoint of another model or recipe: check the config and the file.')


def _plain(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix('module.'): value for name, value in state.items()}
