"""Makes any run one that can be interrupted and resumed."""
from collections.abc import Callable

from mmengine.hooks import CheckpointHook
from mmengine.registry import LOOPS
from mmengine.runner import CheckpointLoader, IterBasedTrainLoop, Runner, find_latest_checkpoint
from torch.utils.data import DataLoader

from mmkd.engine.hooks import EpochSeedHook, MissedValidationHook, SameRunHook, StrictResumeHook

from .position import position_of
from .replay import number_batches
from .run_facts import view_epochs_in


def make_resumable(runner: Runner, restart: bool = False,
                   prepare: Callable[[DataLoader, int | None], object] | None = None) -> None:
    """Adds what lets a run go on with the same bits after an interruption, and checks what is resumed.

    Args:
        runner: A runner that was just built.
        restart: Whether a resumed run takes the learning rates of its own config.
        prepare: Gets the loader of the training data when it is built, before its batches are numbered, and after how
            many epochs the views repeat in the run that is resumed; None if that is not to be kept.

    Raises:
        UserError: The checkpoint to resume tells no position.
    """
    if runner._resume:
        runner.register_hook(StrictResumeHook())
    if not isinstance(runner, Runner):  # FlexibleRunner's strategies resume in their own ways
        return
    start, view_epochs = _resumed(runner) if runner._resume else (None, None)
    if isinstance(runner._train_dataloader, dict):
        runner._train_dataloader = runner.build_dataloader(
            runner._train_dataloader, seed=runner.seed,
            diff_rank_seed=runner._randomness_cfg.get('diff_rank_seed', False))
    loader, every_step = runner._train_dataloader, True
    if prepare is not None:
        prepare(loader, None if restart else view_epochs)
    if isinstance(loader, DataLoader):
        batches = number_batches(loader, runner.seed)
        every_step = _counts_iterations(runner) or not _epochs_are_seeded(runner, loader)
        if batches is not None and start is not None and _counts_iterations(runner):
            batches.advance(start[1])
    runner.register_hook(SameRunHook(every_step, restart))
    runner.register_hook(MissedValidationHook())


def _resumed(runner: Runner) -> tuple[tuple[int, int] | None, int | None]:
    """Where the checkpoint to resume was written, and after how many epochs its views repeat; the run takes its seed.

    None for what there is not.
    """
    path = runner._load_from or find_latest_checkpoint(runner.work_dir)
    if path is None:
        return None, None
    checkpoint = CheckpointLoader.load_checkpoint(path, map_location='cpu')
    position, seed = position_of(checkpoint), checkpoint['meta'].get('seed')
    if type(seed) is int and seed != runner.seed:
        if runner._randomness_cfg.get('seed') is not None:
            runner.logger.warning(f'The run goes on with the seed {seed} of the checkpoint, not with {runner.seed}.')
        runner._randomness_cfg.update(seed=seed)
        runner.set_randomness(**runner._randomness_cfg)
    return position, view_epochs_in(checkpoint)


def _counts_iterations(runner: Runner) -> bool:
    loop = runner._train_loop
    if not isinstance(loop, dict):
        return isinstance(loop, IterBasedTrainLoop)
    if 'type' not in loop:
        return not loop.get('by_epoch', True)
    kind = LOOPS.get(loop['type']) if isinstance(loop['type'], str) else loop['type']
    return isinstance(kind, type) and issubclass(kind, IterBasedTrainLoop)


def _epochs_are_seeded(runner: Runner, loader: DataLoader) -> bool:
    """Whether all draws follow from the start of their epoch, and checkpoints are those of whole epochs."""
    hooks = runner._hooks
    return (any(isinstance(hook, EpochSeedHook) for hook in hooks) and loader.num_workers == 0
            and all(hook.by_epoch for hook in hooks if isinstance(hook, CheckpointHook)))
