"""FiniteTrainingHook: which step is named, and that nothing is saved after it."""
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.registry import METRICS, OPTIM_WRAPPERS
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.utils.data import Dataset

from mmkd.engine import blame, finite
from mmkd.engine.hooks import FiniteTrainingHook
from mmkd.utils import UserError
from mmkd.utils.checkpoints.reading import read_checkpoint

LENGTH = 4  # steps of an epoch


class Numbers(Dataset):
    """Twelve vectors."""

    def __len__(self) -> int:
        return 3 * LENGTH

    def __getitem__(self, index: int) -> dict:
        return dict(inputs=torch.full((5, ), float(index)), label=index % 2)


class Net(BaseModel):
    """A linear classifier that goes wrong in a step: ``loss``, ``gradient``, ``buffer`` or ``overflow``."""

    def __init__(self, step: int = 0, fault: str = '') -> None:
        super().__init__()
        self.step, self.fault, self.steps = step, fault, 0
        self.layer = nn.Linear(5, 2)
        self.register_buffer('state', torch.zeros(2))
        self.register_buffer('mask', torch.full((2, ), float('-inf')))  # which is no fault

    def forward(self, inputs: Tensor, label: Tensor, mode: str = 'tensor') -> Tensor | dict:
        logits = self.layer(inputs)
        if mode != 'loss':
            return logits
        self.steps += 1
        losses = dict(loss_cls=F.cross_entropy(logits, label), accuracy=torch.tensor(float('nan')))
        if self.steps >= self.step > 0:
            zero = (0 * logits).sum()
            losses |= {'loss': dict(loss_extra=zero * float('nan')), 'gradient': dict(loss_extra=zero.abs().sqrt()),
                       'overflow': dict(loss_extra=_Overflow.apply(zero)), 'huge': dict(loss_extra=zero + 1e13),
                       }.get(self.fault, {})
            if self.fault == 'buffer':
                self.state.fill_(float('nan'))
        return losses


class _Overflow(torch.autograd.Function):
    """Has gradients that half precision cannot hold unless the loss is scaled by less than 2¹⁰."""

    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:
        return gradient * torch.where(gradient > 2**10, float('inf'), 0.)


@OPTIM_WRAPPERS.register_module()
class CPUAmpOptimWrapper(AmpOptimWrapper):
    """Dynamic loss scaling where there is no accelerator."""

    def __init__(self, init_scale: float = 2.**16, static: bool = False, **kwargs: object) -> None:
        OptimWrapper.__init__(self, **kwargs)
        self._scale_update_param, self.cast_dtype = init_scale if static else None, torch.bfloat16
        self.loss_scaler = torch.amp.GradScaler('cpu', init_scale=init_scale)

    def optim_context(self, model: nn.Module) -> object:
        return OptimWrapper.optim_context(self, model)


class SavesAlways(Hook):
    """Writes a checkpoint before each step."""

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        runner.save_checkpoint(runner.work_dir, f'before_{runner.iter + 1}.pth')


class Scale(Hook):
    """Keeps the loss scale of each step."""

    def __init__(self) -> None:
        self.scales = []

    def after_train_iter(self, runner: Runner, **kwargs: object) -> None:
        self.scales.append(runner.optim_wrapper.loss_scaler.get_scale())


@METRICS.register_module()
class Rising(BaseMetric):
    """Is better each time."""

    def process(self, data_batch: object, data_samples: object) -> None:
        self.results.append(1)

    def compute_metrics(self, results: list) -> dict[str, float]:
        self.count = getattr(self, 'count', 0) + 1
        return dict(score=float(self.count))


def train(folder: Path, model: Net, *hooks: Hook, wrapper: dict | None = None, iterations: int = 0,
          interval: int = 1, validate: int = 0, **checkpoint: object) -> Runner:
    """Trains three epochs, or a number of iterations, and may validate after some of them."""
    loader = dict(batch_size=3, num_workers=0, dataset=Numbers(), sampler=dict(type='DefaultSampler'),
                  collate_fn=dict(type='default_collate'))
    validation = dict(val_dataloader=loader, val_cfg=dict(), val_evaluator=dict(type='Rising')) if validate else {}
    loop = dict(by_epoch=False, max_iters=iterations) if iterations else dict(by_epoch=True, max_epochs=3)
    runner = Runner(
        model=model, work_dir=str(folder), experiment_name=str(folder), log_level='ERROR', randomness=dict(seed=0),
        train_cfg=loop | (dict(val_interval=validate) if validate else {}),
        train_dataloader=loader, **validation,
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=1e-3)) | (wrapper or {}),
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=interval, by_epoch=not iterations)
                           | checkpoint),
        custom_hooks=[FiniteTrainingHook(), *hooks])
    runner.train()
    return runner


@pytest.fixture(params=['at once', 'a step later'], autouse=True)
def arrival(request, monkeypatch):
    """Runs each test with the numbers there at once, and as on CUDA: only when the next step was started."""
    if request.param == 'a step later':
        class Event:
            def synchronize(self) -> None:
                pass

        monkeypatch.setattr(finite, '_to_host', lambda values: (values.clone(), Event()))


def assert_whole(folder: Path, *names: str) -> None:
    assert sorted(path.name for path in folder.glob('*.pth')) == sorted(names)
    for path in folder.glob('*.pth'):
        state = read_checkpoint(path)['state_dict']
        assert all(value.isfinite().all() for name, value in state.items() if name != 'mask')


def test_a_good_run_ends(tmp_path):
    train(tmp_path, Net())
    assert_whole(tmp_path, 'epoch_1.pth', 'epoch_2.pth', 'epoch_3.pth')


@pytest.mark.parametrize(('step', 'saved'), [(1, 0), (4, 0), (5, 1), (6, 1), (8, 1), (9, 2), (12, 2)])
@pytest.mark.parametrize(('fault', 'words'), [
    ('loss', 'loss_extra = nan'), ('huge', r'loss_extra = 1e\+13'),
    ('gradient', r'nan or inf in weights that were updated: layer.weight, layer.bias')])
def test_the_first_bad_step_is_named_and_nothing_saved_after_it(tmp_path, step, saved, fault, words):
    model = Net(step, fault)
    where = rf'step {step} \(epoch {(step + 3) // 4}, step {(step + 3) % 4 + 1} of 4\)'
    last = rf'The last good checkpoint is .*epoch_{saved}\.pth\.' if saved else 'No checkpoint was written yet.'
    with pytest.raises(UserError, match=rf'^{where} expects finite numbers, got {words}\. .*rate is 0\.001.*{last}$'):
        train(tmp_path, model)
    assert model.steps <= step + 1
    assert_whole(tmp_path, *(f'epoch_{i + 1}.pth' for i in range(saved)))


@pytest.mark.parametrize('step', [5, 6, 7])
def test_checkpoints_by_iteration(tmp_path, step):
    with pytest.raises(UserError, match=f'^step {step} expects .*iter_{(step - 1) // 3 * 3}.pth'):
        train(tmp_path, Net(step, 'gradient'), iterations=9, interval=3)
    assert_whole(tmp_path, *(f'iter_{i}.pth' for i in range(3, step, 3)))


def test_no_hook_can_save_a_step_that_was_not_judged(tmp_path):
    with pytest.raises(UserError, match='^step 6 '):
        train(tmp_path, Net(6, 'gradient'), SavesAlways(), interval=-1)
    assert_whole(tmp_path, *(f'before_{i}.pth' for i in range(1, 7)))


def test_buffers_are_read_with_each_checkpoint(tmp_path):
    with pytest.raises(UserError, match=r'^step 8 .* got nan or inf in the buffers state\.'):
        train(tmp_path, Net(6, 'buffer'))
    assert_whole(tmp_path, 'epoch_1.pth')


def test_so_they_are_where_checkpoints_begin_late(tmp_path):
    with pytest.raises(UserError, match=r'^step 5 .* got nan or inf in the buffers state\..*iter_2\.pth\.$'):
        train(tmp_path, Net(4, 'buffer'), iterations=9, interval=3, save_begin=2)
    assert_whole(tmp_path, 'iter_2.pth')


@pytest.mark.parametrize('iterations', [12, 0])
def test_so_they_are_before_the_best_weights_are_kept(tmp_path, iterations):
    with pytest.raises(UserError, match=r'^step 8 .* got nan or inf in the buffers state\.'):
        train(tmp_path, Net(7, 'buffer'), iterations=iterations, interval=-1, validate=4 if iterations else 1,
              save_best='score', rule='greater')
    assert_whole(tmp_path, 'best_score_iter_4.pth' if iterations else 'best_score_epoch_1.pth')


def test_a_run_that_begins_with_nan(tmp_path):
    model = Net()
    nn.init.constant_(model.layer.bias, float('inf'))
    with pytest.raises(UserError, match=r'finite weights at its start, got nan or inf in layer.bias\. Start from'):
        train(tmp_path, model)


def test_accumulated_gradients(tmp_path):
    wrapper = dict(accumulative_counts=3)
    with pytest.raises(UserError, match='^step 5 .* loss_extra = nan'):
        train(tmp_path / 'loss', Net(5, 'loss'), wrapper=wrapper)
    with pytest.raises(UserError, match='^step 6 .* weights that were updated by the gradients of 3 steps: layer'):
        train(tmp_path / 'gradient', Net(5, 'gradient'), wrapper=wrapper)


def test_an_optimizer_that_goes_by_signs_keeps_what_it_was_given(tmp_path):
    """The sign of NaN is 0: no weight becomes NaN, and none moves again."""
    with pytest.raises(UserError, match=r'^step 8 .* got nan or inf in what the optimizer keeps, momentum_buffer of '):
        train(tmp_path, Net(6, 'gradient'), wrapper=dict(optimizer=dict(type=SignedMomentum, lr=1e-3)))
    assert_whole(tmp_path, 'epoch_1.pth')


class SignedMomentum(torch.optim.Optimizer):
    """Moves each weight by the sign of its momentum, as Lion does."""

    def __init__(self, params: list, lr: float) -> None:
        super().__init__(params, dict(lr=lr))

    @torch.no_grad()
    def step(self, closure: object = None) -> None:
        for group in self.param_groups:
            for weight in group['params']:
                kept = self.state[weight].setdefault('momentum_buffer', torch.zeros_like(weight))
                kept.lerp_(weight.grad, 0.1)
                weight.sub_(kept.sign(), alpha=group['lr'])


class TestMixedPrecision:
    """Dynamic loss scaling skips the updates whose gradients overflow."""

    def test_overflowing_gradients_are_no_fault(self, tmp_path):
        scale, model = Scale(), Net(1, 'overflow')
        train(tmp_path, model, scale, wrapper=dict(type='CPUAmpOptimWrapper'))
        assert scale.scales[:7] == [2.**n for n in (15, 14, 13, 12, 11, 10, 10)] and model.steps == 12
        assert_whole(tmp_path, 'epoch_1.pth', 'epoch_2.pth', 'epoch_3.pth')

    @pytest.mark.parametrize('optimizer', [dict(type='SGD', lr=1e-3), dict(type='AdamW', lr=1e-3, fused=True)])
    def test_a_scale_that_never_falls_is_one(self, tmp_path, monkeypatch, optimizer):
        """A static scale: each update is skipped, and the weights stand still for ever."""
        for module in (finite, blame):
            monkeypatch.setattr(module, 'MOST_SKIPPED', 8)
        wrapper = dict(type='CPUAmpOptimWrapper', static=True, optimizer=optimizer)
        with pytest.raises(UserError, match='^step 9 .*more than 8 updates in a row that were skipped.*lower it'):
            train(tmp_path, Net(1, 'overflow'), wrapper=wrapper)

    def test_a_nan_loss_is_one(self, tmp_path):
        with pytest.raises(UserError, match='^step 6 .* loss_extra = nan'):
            train(tmp_path, Net(6, 'loss'), wrapper=dict(type='CPUAmpOptimWrapper'))
        assert_whole(tmp_path, 'epoch_1.pth')

    def test_so_is_a_scale_that_falls_for_ever(self, tmp_path):
        wrapper = dict(type='CPUAmpOptimWrapper', init_scale=2.**-20)
        with pytest.raises(UserError, match=r'^step 8 .* got a loss scale of 5.96\S*e-08\. .*overflow however small'):
            train(tmp_path, Net(5, 'gradient'), wrapper=wrapper)
