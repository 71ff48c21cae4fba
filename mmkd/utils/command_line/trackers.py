"""``--tracker NAME``: MMEngine's own backends, with arguments that fit a run of mmkd.

A tool writes the option itself, since the completion of shells reads it there::

    parser.add_argument('--tracker', nargs='+', choices=[*TRACKERS], …)
"""
import os
import uuid
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from mmengine.config import Config

from mmkd.utils.building.build import type_name
from mmkd.utils.errors import UserError, nearest
from mmkd.utils.files.small import read_json, write_json

PROJECT = 'mmkd'
KEPT = 'trackers.json'  # in the work dir: the run that a resumed one goes on with
RANKS = ('RANK', 'SLURM_PROCID', 'OMPI_COMM_WORLD_RANK')


class Run(NamedTuple):
    """What a tracker is told of a run.

    Args:
        work_dir: Its folder.
        resumed: Whether it goes on.
        name: What it is called.
    """

    work_dir: Path
    resumed: bool
    name: str


class Tracker(NamedTuple):
    """A tracker behind a name.

    Args:
        backend: MMEngine's class.
        packages: What it imports; the first one is what is installed.
        arguments: Its arguments for a run.
    """

    backend: str
    packages: tuple[str, ...]
    arguments: Callable[[Run], dict]


def _tensorboard(run: Run) -> dict:
    return dict(save_dir=str(run.work_dir / 'tensorboard'))  # the same after resuming, unlike the folder of the log


def _wandb(run: Run) -> dict:
    """Variables of its own go first; no code and no git state leave the machine."""
    given = dict(project=('WANDB_PROJECT', PROJECT), name=('WANDB_NAME', run.name))
    own = {key: value for key, (variable, value) in given.items() if not os.environ.get(variable)}
    if not os.environ.get('WANDB_RUN_ID'):
        own['id'] = _kept_id(run, 'wandb')
    settings = dict(disable_git=True, disable_code=True)
    return dict(save_dir=str(run.work_dir),
                init_kwargs=dict(own, resume='allow', settings=settings, allow_val_change=True))


def _mlflow(run: Run) -> dict:
    """Without a server, a file store in the work dir, which MLflow from 3 on has to be allowed."""
    if not os.environ.get('MLFLOW_TRACKING_URI'):
        os.environ.setdefault('MLFLOW_ALLOW_FILE_STORE', 'true')
    return dict(save_dir=str(run.work_dir / 'mlflow'), run_name=run.name,
                exp_name=os.environ.get('MLFLOW_EXPERIMENT_NAME') or PROJECT,
                tracking_uri=os.environ.get('MLFLOW_TRACKING_URI') or None)


def _clearml(run: Run) -> dict:
    return dict(init_kwargs=dict(
        project_name=os.environ.get('CLEARML_PROJECT') or PROJECT, task_name=run.name, reuse_last_task_id=False,
        auto_connect_frameworks=False))


def _aim(run: Run) -> dict:
    return dict(init_kwargs=dict(experiment=run.name, log_system_params=False))


def _dvclive(run: Run) -> dict:
    folder = str(run.work_dir / 'dvclive')
    return dict(save_dir=folder, init_kwargs=dict(dir=folder, save_dvc_exp=False, resume=run.resumed))


def _neptune(run: Run) -> dict:
    offline = not os.environ.get('NEPTUNE_API_TOKEN') and not os.environ.get('NEPTUNE_MODE')
    return dict(init_kwargs=dict(name=run.name, source_files=[], git_ref=False) | (
        dict(mode='offline') if offline else {}))


TRACKERS = {
    'tensorboard': Tracker('TensorboardVisBackend', ('tensorboard', ), _tensorboard),
    'wandb': Tracker('WandbVisBackend', ('wandb', ), _wandb),
    'mlflow': Tracker('MLflowVisBackend', ('mlflow', ), _mlflow),
    'clearml': Tracker('ClearMLVisBackend', ('clearml', ), _clearml),
    'aim': Tracker('AimVisBackend', ('aim', ), _aim),
    'dvclive': Tracker('DVCLiveVisBackend', ('dvclive', 'pygit2'), _dvclive),
    'neptune': Tracker('NeptuneVisBackend', ('neptune', ), _neptune)}


def check_trackers(names: Sequence[str]) -> None:
    """Checks that there are such trackers, and that their packages are installed.

    Raises:
        UserError: A tracker is unknown, or its package is not installed.
    """
    for name in names:
        if name not in TRACKERS:
            raise UserError(f'--tracker expects any of {", ".join(TRACKERS)}, got {name!r}. {nearest(name, TRACKERS)}')
        _check_installed(name, TRACKERS[name].packages)


def add_trackers(config: Config, names: Sequence[str] | None, resumed: bool = False, run: str | None = None) -> None:
    """Adds trackers to the backends of a config's visualizer; those that it lists already stay as they are.

    Args:
        config: The config, with its ``work_dir``.
        names: Names of trackers.
        resumed: Whether the run goes on in this folder.
        run: What it is called; None for the name of the work dir.

    Raises:
        UserError: A tracker is unknown, or its package is not installed.
    """
    if not names:
        return
    visualizer = dict(config.get('visualizer') or dict(type='Visualizer', vis_backends=[dict(type='LocalVisBackend')]))
    backends = visualizer.get('vis_backends') or []
    backends = [*backends] if isinstance(backends, list | tuple) else [backends]
    check_trackers(names)
    work_dir = Path(config.work_dir)
    for tracker in (TRACKERS[name] for name in dict.fromkeys(names)):
        if tracker.backend not in map(type_name, backends):
            told = Run(work_dir, resumed, run or work_dir.resolve().name)
            backends.append(dict(type=tracker.backend, **tracker.arguments(told)))
    config.visualizer = dict(visualizer, vis_backends=backends)


def _check_installed(name: str, packages: tuple[str, ...]) -> None:
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        raise UserError(f'--tracker {name} expects the package {missing[0]}, which is not installed. Install it: pip '
                        f'install {packages[0]}')


def _kept_id(run: Run, tracker: str) -> str:
    """A new identifier, or after resuming the one that the run has; only the first process writes it down."""
    path = run.work_dir / KEPT
    known = read_json(path)
    if run.resumed and known.get(tracker):
        return str(known[tracker])
    new = uuid.uuid4().hex[:8]
    if next((os.environ[name] for name in RANKS if os.environ.get(name)), '0') == '0':
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, known | {tracker: new})
    return new
