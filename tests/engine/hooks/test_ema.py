"""EMAHook: the average of optimizer steps in closed form, with accumulation, after a resume; what it averages."""
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from torch import Tensor

from mmkd.engine.hooks import EMAHook
from mmkd.utils import UserError

from .test_dynamic_sparsity import Net, ScaledWrapper, make_runner

MOMENTUM = .1


class Steps(Hook):
    """Notes the model's tensors after each optimizer step, and stops a run."""

    priority = 'VERY_HIGH'  # before the average moves

    def __init__(self, stop: int | None = None) -> None:
        self.weights: list[dict[str, Tensor]] = []
        self.stop, self.handle = stop, None

    def before_train(self, runner: Runner) -> None:
        self.stepped = False
        self.handle = runner.optim_wrapper.optimizer.register_step_post_hook(self.note)

    def note(self, *args: object) -> None:
        self.stepped = True

    def after_train_iter(self, runner: Runner, **kwargs: object) -> None:
        if self.stepped:
            self.weights.append({name: value.clone() for name, value in runner.model.state_dict().items()})
            self.stepped = False

    def after_train_epoch(self, runner: Runner) -> None:
        if runner.epoch + 1 == self.stop:
            raise KeyboardInterrupt


def train(folder: Path, steps: Steps, accumulate: int = 4, model: Net | None = None, **kwargs: object) -> Runner:
    """Four epochs of four batches."""
    arguments = ('update_buffers', 'interval', 'begin_iter', 'begin_epoch')
    hook = {key: kwargs.pop(key) for key in arguments if key in kwargs}
    settings = dict(model=model or Net(), optim_wrapper=dict(
        optimizer=dict(type='SGD', lr=.5, momentum=.9), accumulative_counts=accumulate))
    runner = make_runner(folder, **settings | kwargs)
    runner._hooks = [hook for hook in runner.hooks if type(hook).__module__.startswith('mmengine')]
    for item in (steps, dict(type='mmkd.EpochSeedHook'),
                 dict(type='mmkd.EMAHook', momentum=MOMENTUM, priority='ABOVE_NORMAL', **hook)):
        runner.register_hook(item)
    runner.train()
    return runner


def average(runner: Runner) -> dict[str, Tensor]:
    return next(hook for hook in runner.hooks if isinstance(hook, EMAHook)).ema_model.module.state_dict()


def closed_form(weights: list[dict[str, Tensor]], name: str, momentum: float = MOMENTUM) -> Tensor:
    """The first weights, and all others at m (1 - m) to the power of the steps since."""
    values = [item[name] for item in weights]
    powers = [(1 - momentum) ** (len(values) - 1 - i) * (momentum if i else 1) for i in range(len(values))]
    return sum(power * value for power, value in zip(powers, values))


@pytest.mark.parametrize('accumulate', [1, 4])
def test_closed_form_of_optimizer_steps(tmp_path, accumulate):
    steps = Steps()
    found = average(train(tmp_path, steps, accumulate))
    assert len(steps.weights) == 16 // accumulate
    assert any(name.endswith('running_var') for name in found)
    for name, value in found.items():
        want = steps.weights[-1][name] if name.endswith('num_batches_tracked') else closed_form(steps.weights, name)
        torch.testing.assert_close(value, want, rtol=1e-4, atol=1e-6, msg=name)


def test_a_resumed_run_goes_on_with_the_average(tmp_path):
    whole, first, rest = Steps(), Steps(stop=2), Steps()
    wanted = train(tmp_path / 'whole', whole, 4)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / 'cut', first, 4)
    resumed = train(tmp_path / 'cut', rest, 4, resume=True)
    weights = first.weights[:1] + rest.weights  # stopped before the second epoch was saved
    assert len(weights) == len(whole.weights) == 4
    for name, value in average(resumed).items():
        assert torch.equal(value, average(wanted)[name]), name
        if value.is_floating_point():
            torch.testing.assert_close(value, closed_form(weights, name), rtol=1e-4, atol=1e-6, msg=name)


def test_a_checkpoint_is_as_mmengines(tmp_path):
    steps = Steps()
    found = average(train(tmp_path, steps))
    saved = torch.load(tmp_path / 'epoch_4.pth', weights_only=False)
    assert all(torch.equal(value, found[name]) for name, value in saved['state_dict'].items())
    raw = {name.removeprefix('module.'): value for name, value in saved['ema_state_dict'].items() if name != 'steps'}
    assert raw.keys() == found.keys()
    assert all(torch.equal(value, steps.weights[-1][name]) for name, value in raw.items())
    assert saved['ema_state_dict']['steps'] == 4


def test_statistics_may_be_the_models(tmp_path):
    steps = Steps()
    runner = train(tmp_path, steps, 3, update_buffers=False)  # does not divide the epoch
    for name, value in average(runner).items():
        if 'running' in name or 'tracked' in name:
            assert torch.equal(value, runner.model.state_dict()[name]), name
        else:
            torch.testing.assert_close(value, closed_form(steps.weights, name), rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize('begin', [dict(begin_iter=9), dict(begin_epoch=3)])
def test_a_later_beginning_counts_batches(tmp_path, begin):
    steps = Steps()
    found = average(train(tmp_path, steps, 2, **begin))  # two steps an epoch; iteration 9 is the first of epoch 3
    torch.testing.assert_close(found['head.weight'], closed_form(steps.weights[4:], 'head.weight'))


def test_interval_is_in_steps(tmp_path):
    steps = Steps()
    found = average(train(tmp_path, steps, 2, interval=2))
    torch.testing.assert_close(found['head.weight'], closed_form(steps.weights[::2], 'head.weight'))


def test_steps_that_a_grad_scaler_leaves_out_do_not_count(tmp_path):
    model, steps = Net(), Steps()
    optimizer = torch.optim.SGD(model.parameters(), lr=.1)
    runner = train(tmp_path, steps, model=model, optim_wrapper=ScaledWrapper(optimizer=optimizer))
    assert len(steps.weights) == 15
    torch.testing.assert_close(average(runner)['head.weight'], closed_form(steps.weights, 'head.weight'))


def test_an_optimizer_of_something_else_is_refused(tmp_path):
    wrapper = OptimWrapper(torch.optim.SGD(Net().parameters(), lr=.1))
    with pytest.raises(UserError, match='mmkd.EMAHook expects a PyTorch optimizer that holds .* none in OptimWrapper'):
        train(tmp_path, Steps(), optim_wrapper=wrapper)
