"""Training a config: what ``tools/train.py`` and :func:`mmkd.distill` do alike."""
from collections.abc import Sequence
from functools import partial

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from mmkd.datasets.configured import check_data_exists
from mmkd.distillers.inputs import state_order
from mmkd.utils.batch_size import count_accumulation
from mmkd.utils.building.build import is_distiller, type_name
from mmkd.utils.processes.distributed import ignore_stride_warnings, prepare_cpu_processes

from .checkpoints.explained_loading import explain_loading
from .hooks import DataFitHook, FiniteTrainingHook, LoadFromHook, ValidatedWeightsHook
from .late_schedules import leave_out_late_schedules
from .models import model_of
from .replayed.plan import plan_views
from .resume.setup import make_resumable

HOOK = 'DistillationHook'


def watch_distillation(config: Config) -> None:
    """Adds ``mmkd.DistillationHook`` to a distillation recipe that does not list it."""
    hooks = config.get('custom_hooks') or []
    listed = [*hooks, *(hook for hook in (config.get('default_hooks') or {}).values() if hook)]
    if is_distiller(config.get('model')) and HOOK not in map(type_name, listed):
        config.custom_hooks = [*hooks, dict(type=f'mmkd.{HOOK}')]


def load_teachers(runner: Runner) -> None:
    """Loads the teachers' weights, before the data are looked at."""
    for teacher in getattr(model_of(runner), 'teachers', {}).values():
        teacher.load()


def train_config(config: Config, validate: bool = True, restart_schedule: bool = False,
                 hooks: Sequence[Hook] = ()) -> Runner:
    """Trains a config, with all checks, hooks and records that a run of mmkd has.

    The process has to read files safely and write checkpoints whole already; see
    :func:`mmkd.zoo.load_safely_everywhere` and :func:`mmkd.engine.checkpoints.whole.keep_checkpoints_whole`.

    Args:
        config: The config, with ``work_dir`` and ``launcher``; hooks are added to it.
        validate: Whether the validation data are asked for.
        restart_schedule: Whether a resumed run takes the lengths and learning rates of its own config.
        hooks: Further hooks, which the config does not name.

    Returns:
        The runner, after training.

    Raises:
        UserError: The config, its data or its checkpoints do not fit.
    """
    check_data_exists(config, ('train', 'val') if validate else ('train',))
    watch_distillation(config)
    leave_out_late_schedules(config)
    state_order(config)
    views = plan_views(config)
    prepare_cpu_processes(config)
    ignore_stride_warnings()
    runner = RUNNERS.build(config) if 'runner_type' in config else Runner.from_cfg(config)
    if views is not None:
        views.check_hooks(runner.hooks)
    load_teachers(runner)
    count_accumulation(runner)
    for kind in (DataFitHook, FiniteTrainingHook, LoadFromHook, ValidatedWeightsHook):
        if not any(isinstance(hook, kind) for hook in runner.hooks):
            runner.register_hook(kind())
    for hook in hooks:
        runner.register_hook(hook)
    make_resumable(runner, restart_schedule,
                   None if views is None else partial(views.wrap, preprocessor=model_of(runner).data_preprocessor))
    explain_loading(runner)
    runner.train()
    return runner
