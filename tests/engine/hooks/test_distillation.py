"""DistillationHook, in real runs on the digits."""
import copy
import json
import random
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.config import ConfigDict
from mmengine.hooks import Hook
from mmengine.logging import MessageHub, MMLogger
from mmengine.runner import Runner
from torch.utils.checkpoint import checkpoint

from mmkd.engine import teacher_validation
from mmkd.engine.hooks import DistillationHook
from mmkd.registry import MODELS
from mmkd.utils import UserError
from mmkd.utils.checkpoints.reading import read_checkpoint
from mmkd.utils.configs.finding import load_config

from ...conftest import visualizers
from ...distillers.conftest import classifier
from ...tools.conftest import one_thread

HOOK = dict(type='mmkd.DistillationHook', gradient_interval=2)
TERMS = dict(nkd=dict(loss=dict(type='mmkd.NKDLoss'), student='logits', teacher='logits'),
             fd=dict(loss=dict(type='mmkd.FDLoss'), student='stage2', teacher='stage2',
                     connector=dict(type='mmkd.ConvConnector'), weight=0.5))
IMAGES = 90  # of the validation set


def decided(folder: Path, channels: int, std: float) -> dict:
    """A classifier of random weights that are large enough for it to see all sorts of digits."""
    torch.manual_seed(channels)
    model = MODELS.build(classifier(channels))
    torch.nn.init.normal_(model.head.fc.weight, std=std)
    torch.save(dict(state_dict=model.state_dict()), folder / f'{channels}.pth')
    return dict(checkpoint=str(folder / f'{channels}.pth'), **classifier(channels))


@pytest.fixture(scope='module')
def models(tmp_path_factory) -> dict:
    """Student and teacher."""
    folder = tmp_path_factory.mktemp('models')
    return dict(student=decided(folder, 8, 0.5), teacher=decided(folder, 16, 2.))


@pytest.fixture
def make(home, models, monkeypatch, tmp_path):
    """Builds a runner of two epochs of five iterations."""
    monkeypatch.chdir(home)
    starts: set[str] = set()

    def _make(work_dir: str = 'run', hooks: tuple = (HOOK, ), model: dict | None = None, **changes) -> Runner:
        for kind in (MessageHub, MMLogger, *visualizers()):  # MMEngine's global objects, as in a new process
            monkeypatch.setattr(kind, '_instance_dict', type(kind._instance_dict)())
        config = load_config('quickstart/convnest-mini_slak-mini-nkd_digits-5shot.py')
        recipe = dict(type='mmkd.Distiller', input_size=32, terms=TERMS, **models)
        config.model = ConfigDict(copy.deepcopy({**recipe, **(model or {})}))
        config.custom_hooks, config.work_dir = list(hooks), str(tmp_path / work_dir)
        config.merge_from_dict({
            'train_cfg.max_epochs': 2, 'train_cfg.val_interval': 1, 'default_hooks.logger.interval': 1,
            'train_dataloader.batch_size': 10, 'train_dataloader.dataset.times': 1,
            'val_dataloader.dataset.indices': IMAGES, 'val_dataloader.batch_size': 40, **changes})
        while time.strftime('%Y%m%d_%H%M%S') in starts:  # of which the folder of a run's log has its name
            time.sleep(0.05)
        runner = Runner.from_cfg(config)
        starts.add(runner.timestamp)
        return runner

    with one_thread():
        yield _make


def entries(runner: Runner, key: str) -> list[tuple[int, float]]:
    """Step and value of a figure, as the run logged it."""
    records = [json.loads(line) for line in Path(runner.log_dir, 'vis_data/scalars.json').read_text().splitlines()]
    return [(record['step'], record[key]) for record in records if key in record]


def log_of(runner: Runner) -> str:
    return Path(runner.log_dir, f'{runner.timestamp}.log').read_text()


def predictions(runner: Runner, forward) -> torch.Tensor:
    """Logits of the validation set, computed as a model does outside of any run."""
    preprocess = runner.model.data_preprocessor
    with torch.no_grad():
        return torch.cat([forward(preprocess(batch, False)['inputs']) for batch in runner.val_dataloader])


def labels(runner: Runner) -> torch.Tensor:
    return torch.cat([sample.gt_label for batch in runner.val_dataloader for sample in batch['data_samples']])


def test_teacher_accuracy_agreement_and_divergence(make):
    runner = make()
    runner.train()
    runner.model.eval()
    own, teacher = runner.model.data_preprocessor, runner.model.teachers['teacher'].model
    student = predictions(runner, runner.model.student)
    teacher = predictions(runner, lambda x: teacher((x * own.std + own.mean - 120) / 60))  # as the teacher is to see it
    accuracy = 100 * (teacher.argmax(1) == labels(runner)).double().mean().item()
    assert 2 < accuracy < 90
    assert entries(runner, 'teacher/accuracy/top1') == [(0, pytest.approx(accuracy))]
    same = 100 * (student.argmax(1) == teacher.argmax(1)).double().mean().item()
    divergence = F.kl_div(student.double().log_softmax(1), teacher.double().softmax(1), reduction='batchmean').item()
    (_, first), (epoch, last) = entries(runner, 'teacher_agreement')
    assert epoch == 2 and last == pytest.approx(same) and len({first, last, 0., 100.}) == 4
    assert entries(runner, 'teacher_kl')[-1] == (2, pytest.approx(divergence, rel=1e-4))
    assert f'Teacher on the validation set: accuracy/top1 {accuracy:.4f}' in log_of(runner)
    assert f'teacher_agreement: {same:.4f}' in log_of(runner) and 'grad_share/nkd: 0.' in log_of(runner)


class Replay(Hook):
    """Computes the norm of each loss's gradient by a backward pass of its own, on a copy."""

    def __init__(self):
        self.norms = {}

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        norms = []
        for key in ('task_loss', 'loss_nkd', 'loss_fd'):
            model = copy.deepcopy(runner.model)
            model.zero_grad()
            model(**model.data_preprocessor(copy.deepcopy(data_batch), True), mode='loss')[key].backward()
            squares = [p.grad.double().square().sum() for p in model.student.parameters() if p.grad is not None]
            norms.append(sum(squares).sqrt().item())
        self.norms[runner.iter + 1] = norms


def test_gradient_shares_are_those_of_separate_backward_passes(make):
    runner, replay = make(**{'optim_wrapper.accumulative_counts': 2}), Replay()
    runner.register_hook(replay, 'VERY_HIGH')
    runner.train()
    shares = [dict(entries(runner, f'grad_share/{name}')) for name in ('task', 'nkd', 'fd')]
    for step in (2, 4, 6, 8, 10):
        expected = np.array(replay.norms[step]) / sum(replay.norms[step])
        np.testing.assert_allclose([share[step] for share in shares], expected, rtol=1e-4)
        assert expected.min() > 0.001  # each counts for something
    assert set(shares[0]) == set(range(2, 11))  # in between, the log repeats the last one
    assert shares[0][3] == shares[0][2] and 1 not in shares[0]


def state(runner: Runner) -> dict:
    return read_checkpoint(f'{runner.work_dir}/epoch_2.pth')['state_dict']


def test_a_search_of_distpro_leaves_the_request_to_the_training_step(make):
    search = dict(type='mmkd.DistProSearchHook', interval=2)
    terms = dict(distpro=dict(loss=dict(type='mmkd.DistProLoss'), student=['stage2', 'stage3'],
                              teacher=['stage2', 'stage3']))
    shares = []
    for name, hooks in (('before', (HOOK, search)), ('after', (search, HOOK))):
        runner = make(name, hooks, dict(terms=terms))
        runner.train()
        shares.append(entries(runner, 'grad_share/distpro'))
    assert dict(shares[0]).keys() >= {2, 4, 6, 8, 10} and shares[0] == shares[1]


def test_a_run_ends_alike_with_and_without_the_hook(make):
    ends = []
    for hooks in ((), (HOOK, )):
        runner = make(f'hooks{len(hooks)}', hooks, **{'val_dataloader.num_workers': 1,
                                                       'val_dataloader.persistent_workers': True})
        runner.train()
        ends.append((state(runner), entries(runner, 'accuracy/top1'), random.random(), np.random.rand(),
                     torch.rand(()).item()))
    (first, *others), (second, *same) = ends
    assert others == same and len(others[0]) == 2
    assert first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_resuming(make):
    make('whole', (dict(type='mmkd.EpochSeedHook'), HOOK)).train()
    runner = make('whole', (dict(type='mmkd.EpochSeedHook'), HOOK), resume=True, load_from=None,
                  **{'train_cfg.max_epochs': 3})
    runner.train()
    assert [step for step, _ in entries(runner, 'teacher/accuracy/top1')] == [0]
    assert [step for step, _ in entries(runner, 'teacher_kl')] == [3]
    assert {12, 14} <= {step for step, _ in entries(runner, 'grad_share/fd')}


def test_the_loss_scale_of_mixed_precision_is_used_and_taken_out(make):
    runner, hook = make(hooks=()), DistillationHook(gradient_interval=1)
    batch = runner.model.data_preprocessor(next(iter(runner.train_dataloader)), True)
    hook._distiller, norms = runner.model, []
    for scale in (None, 2.**20):
        scaler = None if scale is None else torch.amp.GradScaler('cpu', init_scale=scale)
        mixed = SimpleNamespace(iter=0, optim_wrapper=SimpleNamespace(loss_scaler=scaler))
        hook.before_train_iter(mixed, 0)
        assert runner.model.gradients._scale == (scale or 1.)
        runner.model(**batch, mode='loss')
        norms.append(runner.model.gradients.norms)
    torch.testing.assert_close(*norms)


def test_tensorboard_gets_all_of_it(make):
    pytest.importorskip('tensorboard', reason='tensorboard is not installed')
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    runner = make(**{'visualizer.vis_backends': [dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')]})
    runner.train()
    events = EventAccumulator(str(Path(runner.log_dir, 'vis_data')))
    events.Reload()
    for tag in ('teacher/accuracy/top1', 'teacher_agreement', 'teacher_kl', 'grad_share/task', 'grad_share/nkd',
                'grad_share/fd', 'task_loss', 'loss_nkd', 'loss_fd'):
        logged = [(event.step, pytest.approx(event.value)) for event in events.Scalars(tag)]
        assert logged and logged == entries(runner, tag)


def test_what_is_switched_off_is_not_computed(make, monkeypatch):
    hook = dict(HOOK, gradient_interval=0, teacher_accuracy=False, agreement=False)
    runner = make(hooks=(hook, ))
    monkeypatch.setattr(type(runner.model.teachers['teacher']), 'predict', None)
    monkeypatch.setattr(torch.autograd, 'grad', None)
    runner.train()
    assert entries(runner, 'teacher/accuracy/top1') == entries(runner, 'grad_share/task') == []


def test_several_teachers_and_a_running_average(make, models):
    teachers = dict(a=models['teacher'], b=classifier(24), mean=dict(ema=dict(momentum=0.1)))
    terms = {name: dict(loss=dict(type='mmkd.KDLoss'), student='logits', teacher=f'{name}:logits') for name in teachers}
    runner = make(model=dict(teacher=teachers, terms=terms))
    runner.train()
    assert entries(runner, 'teacher/a/accuracy/top1') and entries(runner, 'teacher/b/accuracy/top1')
    divergences = [entries(runner, f'teacher_kl/{name}') for name in ('a', 'b', 'mean')]
    assert divergences[0] != divergences[1] and divergences[2] == []


NO_VALIDATION = dict(val_cfg=None, val_dataloader=None, val_evaluator=None)
SEVEN_CLASSES = dict(teacher=classifier(16, classes=7), terms=dict(fd=TERMS['fd']))


@pytest.mark.parametrize(('model', 'changes', 'message'), [
    (SEVEN_CLASSES, {}, 'Teacher is not evaluated: it has 7 classes, and the student 10.'),
    ({}, NO_VALIDATION, 'Teacher is not evaluated: the run has no validation.'),
    ({}, {'val_dataloader.sampler.shuffle': True},
     'predictions are not compared, since the order of the images may change.')])
def test_what_cannot_be_evaluated_is_said(make, model, changes, message):
    runner = make(model=model, **changes)
    runner.train()
    assert message in log_of(runner)
    assert bool(entries(runner, 'teacher/accuracy/top1')) == ('order' in message)
    assert entries(runner, 'teacher_kl') == []


def test_long_validation_sets_tell_how_long(make, monkeypatch):
    monkeypatch.setattr(teacher_validation, 'LINE_SECONDS', 0)
    runner = make()
    runner.train()
    assert 'Teacher on the validation set: 2 of 3 batches, about 0:0' in log_of(runner)
    assert '3 of 3' not in log_of(runner)


def test_reentrant_checkpointing_switches_the_shares_off(make):
    runner = make()
    stage = runner.model.student.backbone.stages[1]
    forward = stage.forward
    stage.forward = lambda x: checkpoint(forward, x, use_reentrant=True)
    runner.train()
    assert log_of(runner).count('DistillationHook stops measuring gradient shares') == 1
    assert entries(runner, 'grad_share/task') == []
    plain = make('plain')
    plain.train()
    assert all(torch.equal(state(runner)[name], value) for name, value in state(plain).items())


def test_the_model_must_be_a_distiller():
    runner = SimpleNamespace(model=MODELS.build(classifier(8)))
    with pytest.raises(UserError, match='expects a model of type mmkd.Distiller, got a ImageClassifier'):
        DistillationHook().before_train(runner)


@pytest.mark.parametrize(('interval', 'message'), [(-1, 'number of iterations, or 0 for none, got -1'),
                                                   (0.5, 'gradient_interval to be a whole number, got 0.5')])
def test_bad_interval(interval, message):
    with pytest.raises(UserError, match=message):
        DistillationHook(gradient_interval=interval)
