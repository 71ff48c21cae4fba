"""The running average of a model, and who notices an optimizer's steps."""
import copy
import gc
import math
import pickle

import pytest
import torch
from torch import nn
from torch.optim.optimizer import _global_optimizer_post_hooks

from mmkd.layers.running_average import OptimizerSteps, RunningAverage


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


def test_weights_and_statistics_are_averaged_and_whole_numbers_copied():
    model = net()
    average = RunningAverage(model, momentum=.25)
    states = []
    for scale in (1., 2., 3.):
        model(scale * torch.randn(8, 3))
        nn.init.constant_(model[0].weight, scale)
        average.update_parameters(model)
        states.append({name: value.clone() for name, value in model.state_dict().items()})
    for name, value in average.module.state_dict().items():
        want = sum(share * state[name] for share, state in zip((.5625, .1875, .25), states))
        torch.testing.assert_close(value, states[-1][name] if 'tracked' in name else want)
    assert not any(p.requires_grad for p in average.parameters())


def test_it_follows_the_model_to_another_device_or_type():
    """Where ``Module.to`` gives the parameters other storages, MMEngine's goes on to move the old ones."""
    both = nn.ModuleDict(dict(model=net(), average=RunningAverage(net(), momentum=.5))).double()
    for value in (0., 2.):
        nn.init.constant_(both['model'][0].weight, value)
        both['average'].update_parameters(both['model'])
    assert (both['average'].module[0].weight == 1).all()


def step(*modules: nn.Module) -> None:
    torch.optim.SGD([p for module in modules for p in module.parameters()], lr=.1).step()


def test_only_steps_on_the_modules_own_parameters_count():
    mine, other, steps = net(), net(), OptimizerSteps()
    step(mine)
    steps.watch(mine)
    step(other)
    assert not steps.taken()
    step(other, mine)
    step(mine)
    assert steps.taken() and not steps.taken()


@pytest.mark.parametrize('fused', [False, True])
def test_steps_that_a_scaler_leaves_out_are_none(fused):
    """A fused optimizer is called all the same, and leaves the weights alone by itself."""
    module, steps = net(), OptimizerSteps()
    optimizer = torch.optim.AdamW(module.parameters(), lr=.1, fused=fused)
    scaler, before = torch.amp.GradScaler('cpu', init_scale=4.), module[0].weight.detach().clone()
    steps.watch(module)
    for factor, moves in ((math.inf, False), (1., True), (1., True), (math.nan, False)):
        scaler.scale(factor * module(torch.randn(8, 3)).square().sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
        assert steps.taken() == moves == (not torch.equal(module[0].weight, before))
        before.copy_(module[0].weight.detach())


def test_copies_watch_nothing_and_nothing_is_left_behind():
    before, module = len(_global_optimizer_post_hooks), net()
    steps = OptimizerSteps()
    steps.watch(module)
    steps.watch(module)
    assert len(_global_optimizer_post_hooks) == before + 1
    step(module)
    copies = copy.deepcopy(steps), pickle.loads(pickle.dumps(steps))
    assert steps.taken() and not any(item.taken() for item in copies)
    del steps, copies
    gc.collect()
    assert len(_global_optimizer_post_hooks) == before
