"""What the distiller logs arrives in trackers: those that are installed, without a network."""
import json
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from .conftest import call, spawn
from .test_train_unlabelled import LABELLED, prepare, write

KEYS = {'loss', 'loss_term', 'grad_share/term', 'teacher/knn/top1', 'teacher/probe/top1', 'knn/top1', 'probe/top1'}
OPTIONS = ['log_processor.window_size=1', 'default_hooks.logger.type=LoggerHook', 'default_hooks.logger.interval=1',
           'default_hooks.distillation.type=mmkd.DistillationHook', 'default_hooks.distillation.gradient_interval=1']
LONGER = ['--resume', '--restart-schedule', '--cfg-options', *OPTIONS, 'train_cfg.max_epochs=3']


@pytest.fixture(scope='module')
def place(tmp_path_factory):
    root = tmp_path_factory.mktemp('trackers')
    prepare(root)
    write(root, more=LABELLED)
    return root


def train(place: Path, *options: str) -> int:
    return call('train.py', 'recipe.py', *options, '--cfg-options', *OPTIONS, cwd=place)


def test_tensorboard_has_all_figures_and_goes_on_after_resuming(place):
    assert train(place, '--work-dir', 'tb', '--tracker', 'tensorboard') == 0
    events = read_events(place / 'tb/tensorboard')
    assert set(events.Tags()['scalars']) >= KEYS
    assert 'config/text_summary' in events.Tags()['tensors']
    assert [event.step for event in events.Scalars('knn/top1')] == [1, 2]
    rows = [json.loads(line) for path in (place / 'tb').glob('*/vis_data/scalars.json')
            for line in path.read_text().splitlines()]
    own = [row['probe/top1'] for row in rows if 'probe/top1' in row]
    assert [event.value for event in events.Scalars('probe/top1')] == pytest.approx(own)  # scalars.json is still there
    assert call('train.py', 'recipe.py', '--work-dir', 'tb', '--tracker', 'tensorboard', *LONGER, cwd=place) == 0
    assert [event.step for event in read_events(place / 'tb/tensorboard').Scalars('knn/top1')] == [1, 2, 3]


def read_events(folder: Path) -> EventAccumulator:
    assert folder.is_dir() and list(folder.parent.glob('*/vis_data/events.*')) == []
    events = EventAccumulator(str(folder), size_guidance=dict(scalars=0))
    events.Reload()
    return events


@pytest.mark.slow
def test_wandb_offline(place, monkeypatch):
    pytest.importorskip('wandb', reason='wandb is not installed')
    monkeypatch.setenv('WANDB_MODE', 'offline')
    done = spawn('train.py', 'recipe.py', '--work-dir', 'wb', '--tracker', 'wandb', cwd=place)
    assert done.returncode == 0, done.stderr
    assert len(list((place / 'wb').glob('wandb/offline-run-*'))) == 1
    kept = json.loads((place / 'wb/trackers.json').read_text())['wandb']
    again = spawn('train.py', 'recipe.py', '--work-dir', 'wb', '--tracker', 'wandb', *LONGER, cwd=place)
    assert again.returncode == 0, again.stderr
    assert {path.name.rpartition('-')[2] for path in (place / 'wb').glob('wandb/offline-run-*')} == {kept}


@pytest.mark.slow
def test_mlflow_in_files(place, monkeypatch):
    mlflow = pytest.importorskip('mlflow', reason='mlflow is not installed')
    done = spawn('train.py', 'recipe.py', '--work-dir', 'ml', '--tracker', 'mlflow', '--cfg-options', *OPTIONS,
                 cwd=place)
    assert done.returncode == 0, done.stderr
    monkeypatch.setenv('MLFLOW_ALLOW_FILE_STORE', 'true')
    client = mlflow.MlflowClient((place / 'ml/mlflow').as_uri())
    experiment = client.get_experiment_by_name('mmkd')
    run, = client.search_runs([experiment.experiment_id])
    assert run.info.run_name == 'ml' and set(run.data.metrics) >= KEYS


def test_a_package_that_is_missing(place, capsys):
    assert train(place, '--work-dir', 'none', '--tracker', 'neptune') == 2
    text = ''.join(capsys.readouterr())
    assert '--tracker neptune expects the package neptune, which is not installed' in text
    assert not (place / 'none').exists()
