"""A resumed run that is the run that was interrupted, or says why not."""
import logging

from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from torch import Tensor

from mmkd.engine.checkpoints.due import may_be_saved
from mmkd.engine.resume import pending_gradients
from mmkd.engine.resume.checks import check_ahead, check_complete, differences, rates, restart_schedule
from mmkd.engine.resume.position import by_epoch, go_on, rewind
from mmkd.engine.resume.replay import MODEL, NumberedBatches, number_batches, seed_all
from mmkd.engine.resume.run_facts import KEY, facts_in, run_facts
from mmkd.registry import HOOKS
from mmkd.utils import UserError


@HOOKS.register_module()
class SameRunHook(Hook):
    """Resumes a run where it stood, so that it ends with the same bits, and refuses what would be another run.

    Each checkpoint records what decides the run's lengths (``meta['run']``, plain numbers and text), and the
    gradients of an update that is not complete. A resumed run is compared with it, and goes on with the batch that
    follows, inside an epoch too. Draws follow from the run's seed, the iteration and the rank, in whichever process
    a batch is loaded. ``tools/train.py`` adds this hook to every run.

    Args:
        every_step: Whether to seed the draws of each batch. Without, they follow from their epoch's start
            (:class:`EpochSeedHook`).
        restart: Whether a resumed run may differ: it takes the learning rates of its own config.
    """

    priority = 'VERY_HIGH'

    def __init__(self, every_step: bool = True, restart: bool = False) -> None:
        self.every_step, self.restart = every_step, restart
        self._resumed = False
        self._gradients: dict[str, Tensor] = {}
        self._batches: NumberedBatches | None = None

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Compares the checkpoint's run with this one, before anything is loaded.

        Raises:
            UserError: The checkpoint lacks something, or its run differs and ``restart`` was not asked for.
        """
        if not runner._resume:
            return
        check_complete(runner, checkpoint, self.restart)
        before = facts_in(checkpoint)
        differing = differences(runner, checkpoint, self._draws)
        check_ahead(runner, checkpoint)
        if differing and not self.restart:
            raise UserError(
                f'--resume expects the settings of the interrupted run, got {", ".join(differing)}. Its learning '
                'rates and lengths would be kept, which do not fit. Give its settings, or add --restart-schedule to '
                'go on with those of this config at the place where the run stands.')
        self._tell(runner, before)
        if before.get('draws') in ('step', 'epoch'):
            self.every_step = before['draws'] == 'step'
        if self.restart:
            self._restart(runner, checkpoint, differing)
        self._gradients = checkpoint.get(pending_gradients.KEY) or {}
        self._resumed = True

    def before_train(self, runner: Runner) -> None:
        """Goes on where a resumed run stood."""
        self._batches = number_batches(runner.train_dataloader, runner.seed)
        if self._batches is not None:
            self._batches.seeded = self.every_step
        if self._resumed:
            go_on(runner.train_loop, self._batches)
            self._restore_gradients(runner)

    def before_train_epoch(self, runner: Runner) -> None:
        """Numbers the batches of an epoch, whatever other hooks have read of the data."""
        if self._batches is not None and by_epoch(runner.train_loop):
            self._batches.number = runner.iter
        elif self._batches is not None and not self._resumed:
            rewind(runner.train_loop, self._batches)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        """Seeds what the model draws."""
        if self.every_step:
            seed_all(runner.seed, runner.iter, get_rank(), MODEL)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        """Collects the gradients of an update that is not complete, if a checkpoint follows."""
        self._gradients = {}
        if pending_gradients.are_pending(runner) and may_be_saved(runner, batch_idx):
            self._gradients = pending_gradients.collect(runner)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Adds the record of the run, and the gradients."""
        checkpoint['meta'][KEY] = run_facts(runner, self._draws)
        if 'optimizer' in checkpoint and self._gradients:
            checkpoint[pending_gradients.KEY] = self._gradients

    @property
    def _draws(self) -> str:
        return 'step' if self.every_step else 'epoch'

    def _restore_gradients(self, runner: Runner) -> None:
        lost = pending_gradients.restore(runner, self._gradients)
        if lost:
            print_log(f'The gradients of the last {lost} iterations before the checkpoint are lost: it holds none, or '
                      'those of another number of processes.', 'current', level=logging.WARNING)

    def _tell(self, runner: Runner, before: dict) -> None:
        """Says what is another way to the same lengths."""
        now = run_facts(runner, self._draws)
        changed = [f'{name} {now[name]} instead of {before[name]}' for name in ('batch_size', 'processes',
                                                                               'accumulation')
                   if before.get(name, now[name]) != now[name]]
        if changed and not self.restart:
            print_log(f'Resumed with {", ".join(changed)}: the learning rates stay, but the images of a step and '
                      'their draws are others than without the interruption.', 'current', level=logging.WARNING)
        if 'draws' not in before:
            print_log('The checkpoint has no record of its run: what can be compared is the same, but random draws may '
                      'differ from those of an uninterrupted run.', 'current', level=logging.WARNING)

    def _restart(self, runner: Runner, checkpoint: dict, differing: list[str]) -> None:
        wrapper = checkpoint['optimizer']
        groups = [wrapper] if 'param_groups' in wrapper else list(wrapper.values())
        old = rates(groups[0]['param_groups'])
        restart_schedule(runner, checkpoint)
        if differing:
            checkpoint.pop(pending_gradients.KEY, None)
        new, meta = rates(groups[0]['param_groups']), checkpoint['meta']
        print_log(f'--restart-schedule: goes on after epoch {meta["epoch"]}, iteration {meta["iter"]} of '
                  f'{runner.max_iters}, with {", ".join(differing) or "the same settings"}; the learning rate is '
                  f'{new:.4g} (it was {old:.4g}).', 'current', level=logging.WARNING)
