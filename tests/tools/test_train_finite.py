"""tools/train.py stops at NaN, infinity and divergence: what it names, its exit status, which checkpoint is left."""
import os
import re
import subprocess
from pathlib import Path

import pytest
import torch

from mmkd.utils.checkpoints.reading import read_checkpoint

from .conftest import CONVNEST, TOOLS, call, environment

NKD = 'quickstart/convnest-mini_slak-mini-nkd_digits-5shot.py'
# Ten steps an epoch, two epochs, a teacher of random weights; the faults lie in a module of the user's own.
RECIPE = f"""
_base_ = '{{root}}/{NKD}'
custom_imports = dict(imports=['faults'])
model = dict(
    teacher=dict(checkpoint=None),
    terms=dict(rkd=dict(loss=dict(type='mmkd.RKDLoss'), student='pre_logits', teacher='pre_logits'),
               faulty=dict(loss=dict(type='FaultyLoss'), student='logits', teacher='logits')))
train_dataloader = dict(batch_size=10, dataset=dict(times=2))
train_cfg = dict(max_epochs=2, val_interval=9)
custom_hooks = [dict(type='mmkd.EpochSeedHook'),
                dict(type='mmkd.DistillationHook', teacher_accuracy=False, agreement=False)]
"""
FAULTS = '''
import os
import torch
from mmcv.transforms import BaseTransform
from mmengine.hooks import Hook
from mmengine.registry import HOOKS, MODELS, TRANSFORMS


@MODELS.register_module()
class FaultyLoss(torch.nn.Module):
    """Is 0, and in one step of one process nan or inf, or something whose gradient is."""
    needs_target = False

    def __init__(self, step=0, fault='nan', rank=0):
        super().__init__()
        self.step, self.fault, self.rank, self.steps = step, fault, rank, 0

    def forward(self, student, teacher, target=None):
        zero = 0 * student.sum()
        self.steps += self.training
        if self.steps != self.step or not self.step or int(os.environ.get('RANK', 0)) != self.rank:
            return zero
        return zero.abs().sqrt() if self.fault == 'gradient' else zero + float(self.fault)


@HOOKS.register_module()
class FaultyTeacherHook(Hook):
    """Spoils the teacher before a step."""

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter + 1 == 13:
            next(runner.model.teachers['teacher'].model.parameters()).fill_(float('nan'))


@TRANSFORMS.register_module()
class FaultyImage(BaseTransform):
    """Spoils one pixel of one image."""

    def transform(self, results):
        results['inputs'] = results['inputs'].float()
        if results['data_samples'].img_path.endswith(os.environ['SPOILT']):
            results['inputs'][0, 3, 3] = float('inf')
        return results
'''
STOP = 'model.terms.faulty.loss.step={}'
FIRST = 'data/digits/train/'


@pytest.fixture(scope='module')
def place(home):
    """The digits, a recipe whose parts can go wrong, and the user's module."""
    from mmkd.utils.configs.finding import config_root
    (home / 'faults.py').write_text(FAULTS)
    (home / 'faulty.py').write_text(RECIPE.format(root=config_root()))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(home)
        yield home


@pytest.fixture
def stopped(place, tmp_path, capsys):
    """Trains until the run stops; returns its message, and checks that the checkpoints left are whole."""

    def _stopped(config: str, *options: str, kept: str | None = None) -> str:
        work = tmp_path / 'work'
        arguments = ['--cfg-options', *options] if options else []
        assert call('train.py', config, '--work-dir', work, *arguments, cwd=place) == 2
        errors = capsys.readouterr().err.splitlines()
        assert errors[-1].startswith('error: step ') and sum(line.startswith('error:') for line in errors) == 1
        assert [path.name for path in work.glob('*.pth')] == ([kept] if kept else [])
        assert ('No checkpoint was written' in errors[-1]) is (kept is None)
        if kept:
            assert errors[-1].endswith(f'The last good checkpoint is {work / kept}.')
            assert (work / 'last_checkpoint').read_text() == str(work / kept)
            assert all(value.isfinite().all() for value in read_checkpoint(work / kept)['state_dict'].values())
        return errors[-1].removeprefix('error: ')

    return _stopped


@pytest.mark.parametrize(('fault', 'words'), [
    ('nan', 'loss_faulty = nan'), ('inf', 'loss_faulty = inf'),
    ('gradient', r'nan or inf in weights that were updated: student\.backbone')])
def test_a_term(stopped, fault, words):
    # As an option NaN itself is refused; it is what the loss does if nothing else is said.
    options = [] if fault == 'nan' else [f'model.terms.faulty.loss.fault={fault}']
    error = stopped('faulty.py', STOP.format(13), *options, kept='epoch_1.pth')
    assert re.match(rf'step 13 \(epoch 2, step 3 of 10\) expects finite numbers, got {words}', error)
    assert len(re.findall(rf'{FIRST}\d/digit_\d+\.png', error)) == 8 and 'png and 2 more.' in error


def test_a_stopped_run_can_be_resumed(stopped, place, tmp_path):
    stopped('faulty.py', STOP.format(11), kept='epoch_1.pth')
    assert call('train.py', 'faulty.py', '--work-dir', tmp_path / 'work', '--resume', cwd=place) == 0
    assert [path.name for path in (tmp_path / 'work').glob('*.pth')] == ['epoch_2.pth']


def test_the_last_step_of_an_epoch(stopped):
    """Its checkpoint would be the next thing to happen."""
    error = stopped('faulty.py', STOP.format(20), 'model.terms.faulty.loss.fault=gradient', kept='epoch_1.pth')
    assert error.startswith('step 20 (epoch 2, step 10 of 10) ')


def test_a_teacher_that_only_a_loss_sees_which_hides_it(stopped, place):
    (place / 'teacher.py').write_text(
        "_base_ = './faulty.py'\nmodel = dict(terms=dict(_delete_=True, rkd=dict(loss=dict(type='mmkd.RKDLoss'), "
        "student='pre_logits', teacher='pre_logits')))\ncustom_hooks = [dict(type='FaultyTeacherHook')]\n")
    error = stopped('teacher.py', kept='epoch_1.pth')
    assert error.startswith('step 13 (epoch 2, step 3 of 10) expects finite numbers, got nan or inf from the teacher '
                            'at pre_logits, whose weights are not finite.')


def test_an_image(stopped, place, monkeypatch):
    listed = (place / 'data/digits/meta/train_5_per_class_seed0.txt').read_text().split()[0]
    monkeypatch.setenv('SPOILT', listed)
    (place / 'image.py').write_text("_base_ = './faulty.py'\ntrain_dataloader = dict(dataset=dict(dataset=dict("
                                    "pipeline=[dict(type='LoadImageFromFile'), dict(type='PackInputs'), "
                                    "dict(type='FaultyImage')])))\n")
    assert re.match(rf'step \d+ .* expects finite numbers, got nan or inf in {FIRST}{listed}, .*Mend these images',
                    stopped('image.py'))


@pytest.mark.parametrize('config', [
    CONVNEST, 'faulty.py', 'quickstart/upernet_convnest-mini_digits.py',
    pytest.param('quickstart/mask-rcnn_convnest-mini_digits.py', marks=pytest.mark.slow)])
def test_the_largest_learning_rate_that_a_config_may_have(stopped, config):
    error = stopped(config, 'optim_wrapper.optimizer.lr=1e4')
    assert re.match(r'step \d+ .*expects finite numbers, got .*The learning rate is \S+\. Lower the learning rate, .*'
                    r'clip_grad\. The images are .*\.png', error)


def test_a_learning_rate_of_a_million_is_refused(place, tmp_path, capsys):
    assert call('train.py', 'faulty.py', '--work-dir', tmp_path, '--cfg-options', 'optim_wrapper.optimizer.lr=1e6',
                cwd=place) == 2
    assert 'lr to be a number from 0 to 10000, got 1000000.0' in capsys.readouterr().err


@pytest.mark.processes
@pytest.mark.parametrize('accumulated', [pytest.param(1, marks=pytest.mark.slow), 5])
def test_two_processes_stop_together(place, tmp_path, accumulated):
    """The fault is one of the second: its gradients spoil the weights of both, or are not exchanged in that step."""
    command = ['bash', TOOLS / 'dist_train.sh', 'faulty.py', 2, '--work-dir', tmp_path, '--cfg-options',
               STOP.format(7), 'model.terms.faulty.loss.rank=1', f'optim_wrapper.accumulative_counts={accumulated}']
    variables = environment(PYTHONPATH=os.pathsep.join([str(TOOLS.parent), str(place)]))
    run = subprocess.run(list(map(str, command)), cwd=place, capture_output=True, text=True, timeout=300, env=variables)
    assert run.returncode != 0
    errors = {line for line in (run.stdout + run.stderr).splitlines() if 'error: step' in line}
    assert len(errors) == 1 and re.search(
        r'error: step 7 \(epoch 2, step 2 of 5\) expects finite numbers, got in process 1 loss_faulty = nan\. '
        r'The learning rate is .*images, or lower the learning rate\. '
        r'The images are .*\. The run .*The last good checkpoint is .*epoch_1\.pth\.$', errors.pop())
    assert [path.name for path in Path(tmp_path).glob('*.pth')] == ['epoch_1.pth']
    assert torch.load(tmp_path / 'epoch_1.pth', weights_only=False)['meta']['epoch'] == 1
