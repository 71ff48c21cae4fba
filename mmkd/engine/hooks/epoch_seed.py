"""Random numbers that do not depend on whether a run was interrupted."""
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmkd.engine.resume.replay import seed_all
from mmkd.registry import HOOKS


@HOOKS.register_module()
class EpochSeedHook(Hook):
    """Seeds Python, NumPy and PyTorch anew at the start of every training epoch.

    A checkpoint holds no random state, so a resumed run would draw other augmentations, mixups and
    dropped paths than an uninterrupted one. With this hook each epoch's draws follow from the
    run's seed, the epoch and the rank alone, and both runs end with the same weights.

    Needs ``num_workers=0``, or workers that do not persist over epochs and seed themselves from
    ``torch.initial_seed()``.
    """

    priority = 'VERY_HIGH'

    def before_train_epoch(self, runner: Runner) -> None:
        """Seeds all generators.

        Args:
            runner: The runner.
        """
        seed_all(runner.seed, runner.epoch, get_rank())
