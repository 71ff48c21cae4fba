"""Training through tools/train.py: what happens to the teacher, what a checkpoint holds, and going on after a kill."""
import copy
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmcv.cnn.bricks import DropPath
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.nn.modules.batchnorm import _BatchNorm

from mmkd.engine.training import watch_distillation
from mmkd.experiments.run_logs import read_scalars, read_teachers
from mmkd.utils import UserError
from mmkd.utils.checkpoints.reading import read_checkpoint
from mmkd.utils.configs.finding import config_root, load_config

from ..processes import wait_for, watched
from .conftest import CONVNEST, EPOCHS, SHRINK, TOOLS, accuracies, call, environment, one_thread, spawn


class TeacherWatch(Hook):
    """Notes after each iteration which of the teacher's modules are in training mode."""

    def __init__(self):
        self.iterations, self.training = 0, []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        assert runner.model.training and runner.model.student.training
        self.iterations += 1
        self.training += [type(m).__name__ for m in runner.model.teachers['teacher'].model.modules() if m.training]


def test_the_teacher_stays_as_it_is(workplace, tmp_path, monkeypatch):
    monkeypatch.chdir(workplace)
    config = load_config('recipe.py', {'train_cfg.max_epochs': 2, 'train_cfg.val_interval': 1,
                                       'train_dataloader.batch_size': 25, 'work_dir': str(tmp_path),
                                       'model.teacher.options': {'model.backbone.drop_path_rate': 0.5}})
    runner, watch = Runner.from_cfg(config), TeacherWatch()
    teacher = runner.model.teachers['teacher'].model
    assert {_BatchNorm, DropPath} <= {kind for m in teacher.modules() for kind in type(m).__mro__}
    before = copy.deepcopy(teacher.state_dict())
    assert any('running_mean' in name for name in before)
    runner.register_hook(watch)
    with one_thread():
        runner.train()
    assert (watch.iterations, watch.training) == (8, [])
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())


def last_checkpoint(work_dir: Path) -> Path:
    return work_dir / f'epoch_{EPOCHS}.pth'


def own_size(state: dict) -> int:
    return sum(value.numel() * value.element_size() for value in state.values())


def test_a_checkpoint_holds_student_and_terms_only(distilled_run, plain_run):
    distilled, plain = (read_checkpoint(last_checkpoint(run)) for run in (distilled_run, plain_run))
    connector = {name: value for name, value in distilled['state_dict'].items() if name.startswith('terms.')}
    assert set(connector) == {'terms.fd.connectors.0.conv.weight', 'terms.fd.connectors.0.conv.bias'}
    assert set(distilled['state_dict']) - set(connector) == {f'student.{name}' for name in plain['state_dict']}
    states = [len(checkpoint['optimizer']['state']) for checkpoint in (distilled, plain)]
    assert states[0] == states[1] + len(connector)
    # AdamW keeps two tensors a parameter. What else is there, the log and the config, is far below the teacher.
    allowed = last_checkpoint(plain_run).stat().st_size + 3 * own_size(connector) + 40_000
    assert last_checkpoint(distilled_run).stat().st_size <= allowed
    assert (distilled_run.parent / 'teacher/epoch_4.pth').stat().st_size > 5 * 40_000


def test_distillation_is_watched_and_plain_training_is_not(distilled_run, plain_run):
    hooks = [[hook['type'] for hook in Config.fromfile(next(run.glob('*.py'))).custom_hooks]
             for run in (distilled_run, plain_run)]
    assert hooks == [['mmkd.EpochSeedHook', 'mmkd.DistillationHook'], ['mmkd.EpochSeedHook']]
    assert read_teachers(distilled_run).keys() == {'accuracy/top1'} and read_teachers(plain_run) == {}
    assert read_scalars(distilled_run)[1][EPOCHS].keys() >= {'teacher_agreement', 'teacher_kl', 'accuracy/top1'}


def test_a_recipe_may_list_the_hook_itself(workplace, tmp_path):
    (tmp_path / 'own.py').write_text(f"_base_ = '{workplace}/recipe.py'\ncustom_hooks = [dict("
                                     "type='mmkd.DistillationHook', gradient_interval=5, teacher_accuracy=False)]\n")
    assert call('train.py', tmp_path / 'own.py', '--no-validate', '--work-dir', tmp_path / 'run', '--cfg-options',
                'train_cfg.max_epochs=2', 'train_dataloader.batch_size=20', 'default_hooks.logger.interval=5',
                cwd=workplace) == 0
    train, val = read_scalars(tmp_path / 'run')
    assert list(train) == [5, 10] and val == read_teachers(tmp_path / 'run') == {}
    shares = [train[10][f'grad_share/{name}'] for name in ('task', 'nkd', 'fd')]
    assert sum(shares) == pytest.approx(1) and min(shares) > 0


def test_a_schedule_beyond_the_training_is_found_at_once(workplace, tmp_path, capsys):
    assert call('train.py', 'recipe.py', '--work-dir', tmp_path, '--cfg-options', *SHRINK,
                'model.terms.nkd.weight.stop=40', cwd=workplace) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(
        f"error: term 'nkd': weight expects a schedule within the {EPOCHS} epochs of the training, got one up to 40.")


def test_ema_adds_one_student_and_no_teacher(ema_run, distilled_run):
    ema, distilled = (read_checkpoint(last_checkpoint(run)) for run in (ema_run, distilled_run))
    averaged = {name for name in ema['ema_state_dict'] if name != 'steps'}
    assert averaged == {f'module.{name}' for name in distilled['state_dict']}
    growth = last_checkpoint(ema_run).stat().st_size - last_checkpoint(distilled_run).stat().st_size
    assert growth <= own_size(distilled['state_dict']) + 40_000


def test_freed_memory_is_kept_without_an_accelerator(home, monkeypatch):
    """Whether a run asks for it; what that does is tested where it is done."""
    asked = []
    monkeypatch.setattr('mmkd.utils.processes.allocator.keep_freed_memory', lambda: asked.append(True))
    call('train.py', 'nowhere.py', cwd=home)
    assert len(asked) == (not torch.cuda.is_available())


def test_the_learning_rate_is_scaled_only_when_asked(plain_run, distilled_run):
    rates = [{group['initial_lr'] for group in read_checkpoint(last_checkpoint(run))['optimizer']['param_groups']}
             for run in (plain_run, distilled_run)]
    # Both see ten images a step; 5e-3 is for 50, and the recipe says 1e-3.
    assert [list(found) for found in rates] == [[pytest.approx(5e-3 * 10 / 50)], [pytest.approx(1e-3)]]


@pytest.mark.parametrize(('flags', 'message'), [
    pytest.param(['--amp'], 'error: --amp expects an accelerator, found only the CPU. Leave the flag out.',
                 marks=pytest.mark.skipif(torch.cuda.is_available(), reason='needs a machine without GPU')),
    (['--auto-scale-lr', '--cfg-options', 'auto_scale_lr.base_batch_size=None'],
     'error: --auto-scale-lr expects auto_scale_lr.base_batch_size in the config, found none.'),
])
def test_flags_that_cannot_work(home, capsys, flags, message):
    assert call('train.py', CONVNEST, *flags, cwd=home) == 2
    assert capsys.readouterr().err.startswith(message)


@pytest.fixture
def start(workplace, tmp_path):
    """Starts commands in the workplace, their output in a file each, and ends what a failing test leaves running."""
    started = []

    def _start(*command: object, **variables: str) -> subprocess.Popen:
        log = tmp_path / f'output_{len(started)}.txt'
        with log.open('w') as file:  # and not a pipe, which nobody empties before the kill
            variables |= watched(tmp_path / 'stacks', environment()['PYTHONPATH'])
            started.append(subprocess.Popen(list(map(str, command)), cwd=workplace, env=environment(**variables),
                                            stdout=file, stderr=subprocess.STDOUT))
        started[-1].log, started[-1].stacks = log, tmp_path / 'stacks'
        return started[-1]

    yield _start
    for process in started:
        if process.poll() is None:
            kill(process)


def kill(process: subprocess.Popen) -> None:
    """Ends a command and its children with no chance to tidy up."""
    # torchrun gives each worker a session of its own: killing its process group would leave them running.
    tasks = Path(f'/proc/{process.pid}/task').glob('*/children')
    for pid in [process.pid, *(int(child) for task in tasks for child in task.read_text().split())]:
        os.kill(pid, signal.SIGKILL)
    process.wait()


def output_of(process: subprocess.Popen) -> str:
    """What a command has written, once it has ended well."""
    wait_for(lambda: False, process, process.log, process.stacks)
    assert process.returncode == 0, process.log.read_text()
    return process.log.read_text()


def kill_at_first_checkpoint(process: subprocess.Popen, work_dir: Path) -> None:
    """Kills a run once it has saved its first epoch."""
    mark = work_dir / 'last_checkpoint'
    wait_for(lambda: mark.is_file() and mark.read_text(), process, process.log, process.stacks)
    assert process.poll() is None, process.log.read_text()
    kill(process)
    assert not last_checkpoint(work_dir).exists()


def assert_same_run(first: Path, second: Path) -> None:
    """Weights, averages and optimizer equal to the last bit, and the same accuracies; the second was killed."""
    one, other = (read_checkpoint(last_checkpoint(run)) for run in (first, second))
    tensors = [flat({key: run[key] for key in ('state_dict', 'ema_state_dict', 'optimizer') if key in run})
               for run in (one, other)]
    assert tensors[0].keys() == tensors[1].keys()
    assert [name for name, value in tensors[0].items() if not torch.equal(value, tensors[1][name])] == []
    # The kill may have come before the validation that follows a checkpoint.
    assert accuracies(second).keys() >= {EPOCHS} and accuracies(first).items() >= accuracies(second).items()


def flat(tree: object, path: str = '') -> dict[str, torch.Tensor]:
    if isinstance(tree, torch.Tensor):
        return {path: tree}
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return {name: value for key, item in items for name, value in flat(item, f'{path}/{key}').items()}


needs_proc = pytest.mark.skipif(not sys.platform.startswith('linux'), reason='finds child processes in /proc')


@pytest.mark.slow
@needs_proc
def test_a_killed_and_resumed_run_ends_like_an_uninterrupted_one(workplace, ema_run, start, tmp_path):
    arguments = ['ema.py', '--work-dir', tmp_path, '--cfg-options', *SHRINK]
    kill_at_first_checkpoint(start(sys.executable, TOOLS / 'train.py', *arguments), tmp_path)
    result = spawn('train.py', *arguments, '--resume', cwd=workplace)
    assert 'resumed epoch: ' in result.stdout, result.stderr
    assert_same_run(ema_run, tmp_path)


@pytest.mark.processes
@needs_proc
@pytest.mark.slow
def test_two_processes_killed_and_resumed(start, tmp_path):
    def train(work_dir: Path, *flags: str) -> subprocess.Popen:
        return start('bash', TOOLS / 'dist_train.sh', 'recipe.py', 2, '--work-dir', work_dir, *flags,
                     '--cfg-options', *SHRINK)

    whole, killed = tmp_path / 'whole', tmp_path / 'killed'
    uninterrupted = train(whole)
    output_of(uninterrupted)
    kill_at_first_checkpoint(train(killed), killed)
    resumed = train(killed, '--resume')
    assert 'resumed epoch: ' in output_of(resumed)
    assert_same_run(whole, killed)
    wrapper = Config.fromfile(whole / 'recipe.py').get('model_wrapper_cfg', {})
    assert not wrapper.get('find_unused_parameters')


@pytest.mark.processes
@needs_proc
@pytest.mark.slow
def test_sparse_teacher_in_two_processes_killed_and_resumed(start, tmp_path):
    """SLaK on the digits: SNIP, 40 %, exchanges every four updates, EMA; the share of zeros in every checkpoint."""
    options = [*SHRINK, 'train_dataloader.dataset.ann_file=meta/train_5_per_class_seed0.txt',
               'train_cfg.val_interval=4', 'default_hooks.checkpoint.max_keep_ckpts=-1', 'custom_hooks.2.interval=4']

    def train(work_dir: Path, *flags: str) -> subprocess.Popen:
        return start('bash', TOOLS / 'dist_train.sh', 'quickstart/slak-mini-sparse40_digits.py', 2, '--work-dir',
                     work_dir, *flags, '--cfg-options', *options)

    whole, killed = tmp_path / 'whole', tmp_path / 'killed'
    uninterrupted = train(whole)
    output_of(uninterrupted)
    kill_at_first_checkpoint(train(killed), killed)
    resumed = train(killed, '--resume')
    assert 'resumed epoch: ' in output_of(resumed)
    assert_same_run(whole, killed)
    checkpoints = [read_checkpoint(path) for path in sorted(whole.glob('epoch_*.pth'))]
    assert len(checkpoints) == EPOCHS
    masks = [checkpoint['sparsity']['masks'] for checkpoint in checkpoints]
    assert any(not torch.equal(masks[0][name], masks[-1][name]) for name in masks[0])
    for checkpoint in checkpoints:
        assert checkpoint['sparsity']['updates'] == 3 * checkpoint['meta']['epoch']
        for state in (checkpoint['state_dict'], {name.removeprefix('module.'): value for name, value
                                                 in checkpoint['ema_state_dict'].items()}):
            weights = [state[name] for name in checkpoint['sparsity']['masks']]
            zeros = sum(int((weight == 0).sum()) for weight in weights) / sum(weight.numel() for weight in weights)
            assert zeros == pytest.approx(0.4, abs=0.005)


def test_a_timm_model_by_its_name_is_trained_and_teaches(workplace):
    """``model=dict(timm='…')`` in a config without a distiller, and its checkpoint as a teacher."""
    (workplace / 'timm_teacher.py').write_text(f"""
_base_ = '{config_root()}/{CONVNEST}'
model = dict(_delete_=True, timm='test_resnet', num_classes=10)
""")
    (workplace / 'taught_by_timm.py').write_text("""
_base_ = './recipe.py'
model = dict(teacher=dict(_delete_=True, config='timm_teacher.py', checkpoint='timm/epoch_2.pth'),
             terms=dict(fd=dict(_delete_=True, loss=dict(type='mmkd.KDLoss', temperature=1.0), student='logits',
                                teacher='logits')))
""")
    short = ['train_cfg.max_epochs=2', 'train_cfg.val_interval=2', 'train_dataloader.dataset.times=1',
             'val_dataloader.dataset.indices=32']
    assert call('train.py', 'timm_teacher.py', '--work-dir', 'timm', '--cfg-options', *short, cwd=workplace) == 0
    weights = read_checkpoint(workplace / 'timm/epoch_2.pth')['state_dict']
    assert weights['fc.weight'].shape[0] == 10 and accuracies(workplace / 'timm')
    assert call('test.py', 'timm_teacher.py', 'timm/epoch_2.pth', '--cfg-options',
                'test_dataloader.dataset.indices=32', cwd=workplace) == 0
    assert call('train.py', 'taught_by_timm.py', '--work-dir', 'taught', '--cfg-options', *short, cwd=workplace) == 0


@pytest.mark.parametrize(('hooks', 'added'), [
    ({}, 1), (dict(custom_hooks=[dict(type='mmkd.DistillationHook')]), 0),
    (dict(default_hooks=dict(timer=None, watch=dict(type='mmkd.DistillationHook'))), 0)])
def test_the_distillation_hook_is_added_once(hooks, added):
    config = Config(dict(model=dict(type='mmkd.Distiller'), **copy.deepcopy(hooks)))
    before = len(config.get('custom_hooks') or [])
    watch_distillation(config)
    assert len(config.get('custom_hooks') or []) == before + added


def test_a_checkpoint_beside_a_timm_models_name_is_refused(tmp_path):
    (tmp_path / 'a.py').write_text("model = dict(timm='resnet10t', checkpoint='b.pth')")
    with pytest.raises(UserError, match='Write load_from = FILE'):
        load_config(tmp_path / 'a.py')


def test_an_empty_folder_is_named_before_training(workplace, tmp_path, capsys):
    """By the tool that trains and the one that checks."""
    folder = tmp_path / 'images'
    folder.mkdir()
    (folder / '1.webp').touch()
    options = ['train_dataloader.dataset.dataset.ann_file=', f'train_dataloader.dataset.dataset.data_root={folder}',
               'train_dataloader.dataset.dataset.data_prefix=']
    assert call('train.py', CONVNEST, '--work-dir', str(tmp_path), '--cfg-options', *options, cwd=workplace) == 2
    said = capsys.readouterr().err
    call('analysis_tools/check_recipe.py', CONVNEST, '--cfg-options', *options, cwd=workplace)
    for text in (said, capsys.readouterr().out):
        assert 'expects images that end in .jpg' in ' '.join(text.split()) and 'got 1 .webp' in ' '.join(text.split())
def test_one_epoch_of_a_recipe_with_a_warm_up(workplace):
    options = ['train_cfg.max_epochs=1', 'train_dataloader.dataset.times=1', 'val_dataloader.dataset.indices=20']
    assert call('train.py', CONVNEST, '--work-dir', 'one-epoch', '--cfg-options', *options, cwd=workplace) == 0
    assert (workplace / 'one-epoch' / 'epoch_1.pth').is_file()
