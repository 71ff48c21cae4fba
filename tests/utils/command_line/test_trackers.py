"""The arguments of trackers, without the trackers."""
import ast
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import VISBACKENDS
from mmengine.visualization import WandbVisBackend  # noqa: F401  (registers all of them)

from mmkd.utils import UserError
from mmkd.utils.command_line import trackers as module
from mmkd.utils.command_line.trackers import TRACKERS, add_trackers

VARIABLES = ('WANDB_PROJECT', 'WANDB_NAME', 'WANDB_RUN_ID', 'MLFLOW_TRACKING_URI', 'MLFLOW_EXPERIMENT_NAME',
             'CLEARML_PROJECT', 'NEPTUNE_API_TOKEN', 'NEPTUNE_MODE', *module.RANKS)


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('MLFLOW_ALLOW_FILE_STORE', 'false')
    monkeypatch.setattr(module, 'find_spec', lambda package: package)


def added(work_dir, *names: str, resumed: bool = False, **entries) -> list[dict]:
    config = Config(dict(work_dir=str(work_dir), **entries))
    add_trackers(config, names, resumed)
    return config.to_dict()['visualizer']['vis_backends']


@pytest.mark.parametrize('name', TRACKERS)
def test_all_are_backends_of_mmengine_and_take_these_arguments(tmp_path, name):
    local, backend = added(tmp_path / 'run', name)
    assert local == dict(type='LocalVisBackend')
    built = VISBACKENDS.build(dict(dict(save_dir=str(tmp_path)), **backend))
    assert type(built).__name__ == TRACKERS[name].backend


def test_names_and_places(tmp_path):
    backends = {backend['type']: backend for backend in added(tmp_path / 'run', *TRACKERS)}
    assert backends['TensorboardVisBackend']['save_dir'] == str(tmp_path / 'run/tensorboard')
    assert backends['WandbVisBackend']['init_kwargs'].items() >= dict(project='mmkd', name='run').items()
    assert backends['MLflowVisBackend'].items() >= dict(exp_name='mmkd', run_name='run', tracking_uri=None).items()
    assert backends['ClearMLVisBackend']['init_kwargs'].items() >= dict(project_name='mmkd', task_name='run').items()
    assert backends['NeptuneVisBackend']['init_kwargs'].items() >= dict(mode='offline', git_ref=False).items()
    assert backends['DVCLiveVisBackend']['init_kwargs']['resume'] is False


def test_variables_of_the_trackers_go_first(tmp_path, monkeypatch):
    for name, value in dict(WANDB_PROJECT='mine', WANDB_NAME='first', WANDB_RUN_ID='7', NEPTUNE_MODE='debug',
                            MLFLOW_TRACKING_URI='http://server', CLEARML_PROJECT='other').items():
        monkeypatch.setenv(name, value)
    wandb, mlflow, clearml, neptune = added(tmp_path, 'wandb', 'mlflow', 'clearml', 'neptune')[1:]
    assert not {'project', 'name', 'id'} & wandb['init_kwargs'].keys()
    assert mlflow['tracking_uri'] == 'http://server' and clearml['init_kwargs']['project_name'] == 'other'
    assert 'mode' not in neptune['init_kwargs']


def test_a_resumed_run_keeps_its_identifier(tmp_path, monkeypatch):
    def identifier(**settings):
        return added(tmp_path, 'wandb', **settings)[1]['init_kwargs']['id']

    first = identifier()
    assert identifier(resumed=True) == first
    second = identifier()
    assert second != first and identifier(resumed=True) == second
    monkeypatch.setenv('RANK', '1')
    assert identifier() != second  # which nobody uses
    assert identifier(resumed=True) == second


def test_what_a_recipe_lists_stays(tmp_path):
    own = dict(type='WandbVisBackend', init_kwargs=dict(project='mine'))
    visualizer = dict(type='UniversalVisualizer', vis_backends=[dict(type='LocalVisBackend'), own])
    assert added(tmp_path, 'wandb', visualizer=visualizer) == [dict(type='LocalVisBackend'), own]
    assert len(added(tmp_path, 'tensorboard', 'tensorboard', visualizer=visualizer)) == 3
    config = Config(dict(work_dir='x'))
    add_trackers(config, None)
    assert 'visualizer' not in config


def test_what_is_missing_or_unknown(tmp_path, monkeypatch):
    monkeypatch.setattr(module, 'find_spec', lambda package: None if package == 'pygit2' else package)
    with pytest.raises(UserError, match='--tracker dvclive expects the package pygit2.* pip install dvclive'):
        added(tmp_path, 'dvclive')
    with pytest.raises(UserError, match='got .tensorbord.*tensorboard'):
        added(tmp_path, 'tensorbord')


def test_tools_name_all_of_them():
    tool = Path(module.__file__).parents[3] / 'tools/train.py'
    calls = [node for node in ast.walk(ast.parse(tool.read_text())) if isinstance(node, ast.Call)
             and node.args and ast.unparse(node.args[0]) == "'--tracker'"]
    choices = [ast.literal_eval(word.value) for word in calls[0].keywords if word.arg == 'choices']
    assert choices == [[*TRACKERS]]


def test_a_run_may_be_called_otherwise_than_its_folder(tmp_path):
    config = Config(dict(work_dir=str(tmp_path / 'out/run')))
    add_trackers(config, ['mlflow'], run='out')
    assert config.visualizer.vis_backends[-1].run_name == 'out'
