"""DynamicSparsityHook: sparsity holds at every step, with EMA, accumulation, after a resume, in two processes."""
import math
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.dist import all_gather
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset

from mmkd.engine.hooks import DynamicSparsityHook, EpochSeedHook
from mmkd.layers import LargeKernel
from mmkd.sparsity import prunable_weights
from mmkd.utils import UserError

from ...processes import run_ranks
from ..test_sync_norms import Images, recipe


class Noise(Dataset):
    """Images and labels that depend on the index alone."""

    def __len__(self) -> int:
        return 16

    def __getitem__(self, index: int) -> dict:
        generator = torch.Generator().manual_seed(index)
        return dict(x=torch.randn(3, 16, 16, generator=generator), label=index % 4)


class Net(BaseModel):
    """A classifier with a large kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 4, stride=2)
        self.mix = LargeKernel(8, 7, 3)
        self.head = nn.Linear(8, 16)  # so many that no channel is cut off

    def forward(self, x: Tensor, label: Tensor, mode: str = 'tensor') -> Tensor | dict:
        logits = self.head(F.gelu(self.mix(self.stem(x))).mean((2, 3)))
        return dict(loss=F.cross_entropy(logits, label)) if mode == 'loss' else logits


class Watch(Hook):
    """Notes the share of zeros after each iteration, in the model and its average."""

    priority = 'VERY_LOW'

    def __init__(self, stop: int | None = None) -> None:
        self.weights, self.average, self.stop = [], [], stop

    def after_train_iter(self, runner: Runner, **kwargs: object) -> None:
        hook = sparsity_hook(runner)
        self.weights.append([(weight == 0).sum().item() for weight in hook.masks.weights.values()])
        for other in runner.hooks:
            if hasattr(other, 'ema_model'):
                average = dict(other.ema_model.module.named_parameters())
                self.average.append([(average[hook._prefix + name][mask] == 0).all().item()
                                     for name, mask in hook.masks.pruned.items()])
        if runner.iter + 1 == self.stop:
            raise KeyboardInterrupt


def sparsity_hook(runner: Runner) -> DynamicSparsityHook:
    return next(hook for hook in runner.hooks if isinstance(hook, DynamicSparsityHook))


def make_runner(folder: Path, hook: dict | None = None, watch: Watch | None = None, **kwargs: object) -> Runner:
    torch.manual_seed(0)
    hook = dict(type='mmkd.DynamicSparsityHook', sparsity=.4, interval=3, prune_rate=.5) | (hook or {})
    settings = dict(
        model=Net(), work_dir=str(folder), train_cfg=dict(by_epoch=True, max_epochs=4),
        train_dataloader=dict(batch_size=4, num_workers=0, dataset=Noise(),
                              sampler=dict(type='DefaultSampler', shuffle=True),
                              collate_fn=dict(type='default_collate')),
        optim_wrapper=dict(optimizer=dict(type='AdamW', lr=1e-2)), randomness=dict(seed=0),
        custom_hooks=[hook, EpochSeedHook(), watch or Watch()], experiment_name=folder.name,
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=1)), log_level='ERROR')
    return Runner(**settings | kwargs)


def pruned(runner: Runner) -> list[int]:
    return [int(mask.sum()) for mask in sparsity_hook(runner).masks.pruned.values()]


@pytest.mark.parametrize('growth', ['random', 'gradient'])
@pytest.mark.parametrize('init', ['snip', 'erk', 'uniform'])
def test_sparsity_holds_at_every_step(tmp_path, init, growth):
    watch = Watch()
    runner = make_runner(tmp_path, dict(init=init, growth=growth), watch)
    runner.train()
    hook, numbers = sparsity_hook(runner), pruned(runner)
    assert hook.masks.sparsity() == pytest.approx(.4, abs=.005) and hook.updates == 16
    assert len(watch.weights) == 16
    for step, zeros in enumerate(watch.weights, 1):
        grown = [have - want for have, want in zip(zeros, numbers)]
        assert all(extra == 0 for extra in grown) or step % 3 == 0  # what has just grown is zero for one step
        assert all(extra >= 0 for extra in grown)
    assert any(zeros != numbers for zeros in watch.weights)  # something did grow


def test_masks_change_and_the_rate_decays(tmp_path):
    runner = make_runner(tmp_path, dict(interval=5, prune_rate=.5, min_prune_rate=.1))
    runner.train()
    hook = sparsity_hook(runner)
    rates = runner.message_hub.get_scalar('train/prune_rate').data[0].tolist()
    assert rates == pytest.approx([.1 + .4 * (1 + math.cos(math.pi * step / 16)) / 2 for step in (5, 10, 15)])
    fixed = make_runner(tmp_path / 'fixed', dict(interval=0))
    fixed.train()
    first = sparsity_hook(fixed).masks.pruned['stem.weight']
    assert not torch.equal(first, hook.masks.pruned['stem.weight'])


def test_average_stays_sparse(tmp_path):
    watch = Watch()
    ema = dict(type='mmkd.EMAHook', momentum=.1)
    runner = make_runner(tmp_path, watch=watch)
    runner.register_hook(ema)
    runner.train()
    assert len(watch.average) == 16 and all(all(step) for step in watch.average)
    saved = torch.load(tmp_path / 'epoch_4.pth', weights_only=False)
    masks = sparsity_hook(runner).masks.pruned
    for state in (saved['state_dict'], {key.removeprefix('module.'): value
                                        for key, value in saved['ema_state_dict'].items()}):
        assert all((state[name][mask] == 0).all() for name, mask in masks.items())


def test_checkpoint_is_an_ordinary_one(tmp_path):
    make_runner(tmp_path).train()
    saved = torch.load(tmp_path / 'epoch_4.pth', weights_only=False)
    assert saved['state_dict'].keys() == Net().state_dict().keys()
    Net().load_state_dict(saved['state_dict'])


class Trace(Hook):
    """Notes all that a trial pass could leave behind, and ends the run before its first step."""

    def __init__(self, priority: str) -> None:
        self.priority, self.seen = priority, None

    def before_train(self, runner: Runner) -> None:
        model, numbers = runner.model, (random.getstate(), np.random.get_state(), torch.get_rng_state().tolist())
        attributes = [{key: value for key, value in vars(module).items() if isinstance(value, int | float | str | bool)}
                      for module in model.modules()]
        tensors = {name: value.clone() for name, value in [*model.named_buffers(), *model.averages.named_parameters()]}
        self.seen = repr((numbers, attributes)), tensors
        if self.priority == 'VERY_LOW':
            self.batch = next(iter(runner.train_dataloader))
            raise KeyboardInterrupt


@pytest.mark.parametrize('sampler', ['DefaultSampler', 'InfiniteSampler'])
def test_the_trial_pass_leaves_no_trace(tmp_path, sampler):
    init_default_scope('mmpretrain')
    batches = []
    for sparse in (True, False):
        model = recipe(terms=dict(
            crd=dict(loss=dict(type='mmkd.CRDLoss', num_samples=16, negatives=8), student='pre_logits',
                     teacher='big:pre_logits'),
            ofd=dict(loss=dict(type='mmkd.OFDLoss', margin_batches=1), student='stage2', teacher='big:stage2',
                     connector=dict(type='mmkd.ConvConnector', norm=True)),
            mean=dict(loss=dict(type='mmkd.KDLoss'), student='logits', teacher='mean:logits')))
        traces = Trace('HIGHEST'), Trace('VERY_LOW')
        hooks = [dict(type='mmkd.DynamicSparsityHook', sparsity=.4, init='snip'), dict(type='mmkd.EMAHook')]
        runner = make_runner(
            tmp_path / f'{sparse}', model=model, custom_hooks=[*traces, *hooks[not sparse:]],
            train_cfg=dict(type='IterBasedTrainLoop', max_iters=4) if sampler.startswith('Inf') else dict(
                by_epoch=True, max_epochs=4),
            train_dataloader=dict(batch_size=4, num_workers=0, dataset=Images(),
                                  sampler=dict(type=sampler, shuffle=True), collate_fn=dict(type='pseudo_collate')),
            default_hooks=dict(checkpoint=None))
        with pytest.raises(KeyboardInterrupt):
            runner.train()
        (plain, before), (again, after) = traces[0].seen, traces[1].seen
        assert plain == again and before.keys() == after.keys()
        assert all(torch.equal(value, after[name]) for name, value in before.items() if 'weight' not in name)
        batches.append(torch.stack(traces[1].batch['inputs']))
        if sparse:
            assert (model.student.backbone.stages[0][0].pwconv1.weight == 0).any()
    assert torch.equal(*batches)


@pytest.mark.parametrize('growth', ['random', 'gradient'])
def test_resumed_run_ends_like_an_uninterrupted_one(tmp_path, growth):
    whole = make_runner(tmp_path / 'whole', dict(growth=growth, init='uniform'))
    whole.train()
    with pytest.raises(KeyboardInterrupt):
        make_runner(tmp_path / 'cut', dict(growth=growth, init='uniform'), Watch(stop=10)).train()
    rest = make_runner(tmp_path / 'cut', dict(growth=growth, init='uniform'), resume=True)
    rest.train()
    assert sparsity_hook(rest).updates == 16
    for mine, theirs in ((whole.model.state_dict(), rest.model.state_dict()),
                         (sparsity_hook(whole).masks.pruned, sparsity_hook(rest).masks.pruned)):
        assert all(torch.equal(value, theirs[name]) for name, value in mine.items())


def test_counts_optimizer_updates_under_accumulation(tmp_path):
    runner = make_runner(tmp_path, optim_wrapper=dict(
        optimizer=dict(type='SGD', lr=.1, momentum=.9), accumulative_counts=4))
    runner.train()
    hook = sparsity_hook(runner)
    assert hook.updates == 4 and hook._total == 4


class ScaledWrapper(OptimWrapper):
    """What ``AmpOptimWrapper`` does, which needs a GPU: the scaler leaves out updates that are not finite."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.scaler, self.calls = torch.amp.GradScaler('cpu', init_scale=4.), 0

    def backward(self, loss: Tensor, **kwargs: object) -> None:
        self.calls += 1
        self.scaler.scale(loss * (math.inf if self.calls == 2 else 1.)).backward()

    def step(self, **kwargs: object) -> None:
        self.scaler.step(self.optimizer)
        self.scaler.update()


@pytest.mark.parametrize('fused', [False, True])
def test_updates_that_a_grad_scaler_leaves_out_do_not_count(tmp_path, fused):
    model = Net()
    runner = make_runner(tmp_path, model=model, optim_wrapper=ScaledWrapper(
        optimizer=torch.optim.AdamW(model.parameters(), lr=1e-2, fused=fused)))
    runner.train()
    assert sparsity_hook(runner).updates == 15
    assert all((weight[sparsity_hook(runner).masks.pruned[name]] == 0).all()
               for name, weight in prunable_weights(model).items())


class WatchGrowth(Hook):
    """Notes what the optimizer remembers, right after an exchange, of the weights that grew and of the others."""

    priority = 'VERY_LOW'

    def __init__(self) -> None:
        self.grown, self.others = [], []

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: object = None) -> None:
        self.before = {name: mask.clone() for name, mask in sparsity_hook(runner).masks.pruned.items()}

    def after_train_iter(self, runner: Runner, **kwargs: object) -> None:
        masks = sparsity_hook(runner).masks
        for name, weight in masks.weights.items():
            grown = self.before[name] & ~masks.pruned[name]
            for value in runner.optim_wrapper.optimizer.state[weight].values():
                if value.shape == weight.shape and grown.any():
                    self.grown.append(value[grown])
                    self.others.append(value[~grown & ~masks.pruned[name]])


@pytest.mark.parametrize('optimizer', [dict(type='AdamW', lr=1e-2), dict(type='SGD', lr=.1, momentum=.9)])
@pytest.mark.parametrize('growth', ['random', 'gradient'])
def test_optimizer_forgets_where_a_weight_grows(tmp_path, growth, optimizer):
    watch = WatchGrowth()
    runner = make_runner(tmp_path, dict(growth=growth, init='uniform'), optim_wrapper=dict(optimizer=optimizer))
    runner.register_hook(watch)
    runner.train()
    assert sum(map(len, watch.grown)) > 50 and all((values == 0).all() for values in watch.grown)
    assert all((values != 0).any() for values in watch.others)


def test_large_kernels_only_and_a_module(tmp_path):
    runner = make_runner(tmp_path, dict(scope='large_kernels'))
    runner.train()
    assert list(sparsity_hook(runner).masks.weights) == ['mix.vertical.conv.weight', 'mix.horizontal.conv.weight']
    other = make_runner(tmp_path / 'head', dict(module='head', init='erk'))
    other.register_hook(dict(type='mmkd.EMAHook'))
    other.train()
    assert list(sparsity_hook(other).masks.weights) == ['weight']


def test_zeros_of_a_checkpoint(tmp_path):
    make_runner(tmp_path / 'first', dict(interval=0)).train()
    runner = make_runner(tmp_path / 'second', dict(sparsity=None, init='checkpoint', interval=0),
                         load_from=str(tmp_path / 'first/epoch_4.pth'))
    runner.train()
    state = torch.load(tmp_path / 'first/epoch_4.pth', weights_only=False)['state_dict']
    assert all(torch.equal(state[name] == 0, mask) for name, mask in sparsity_hook(runner).masks.pruned.items())


def test_dense_checkpoint_cannot_be_resumed(tmp_path):
    runner = make_runner(tmp_path)
    runner._hooks = [hook for hook in runner.hooks if not isinstance(hook, DynamicSparsityHook | Watch)]
    runner.train()
    with pytest.raises(UserError, match='got one without'):
        make_runner(tmp_path, resume=True).train()


def train_alike(rank: int, folder: Path, growth: str, randomness: dict) -> None:
    wrapper = dict(type='MMDistributedDataParallel', device_ids=None, broadcast_buffers=False)
    runner = make_runner(folder, dict(growth=growth), launcher='pytorch', cfg=dict(model_wrapper_cfg=wrapper),
                         randomness=randomness)
    runner.train()
    masks = torch.cat([mask.flatten() for mask in sparsity_hook(runner).masks.pruned.values()]).float()
    weights = torch.cat([weight.flatten() for weight in sparsity_hook(runner).masks.weights.values()]).detach()
    assert all(torch.equal(*all_gather(values)) for values in (masks, weights))
    assert abs(masks.mean().item() - .4) < .005


@pytest.mark.processes
@pytest.mark.parametrize(('growth', 'randomness'), [
    ('random', dict(seed=0, diff_rank_seed=True)), ('gradient', dict(seed=0))])
def test_two_processes_have_the_same_masks(tmp_path, growth, randomness):
    run_ranks(train_alike, tmp_path, tmp_path / 'run', growth, randomness)


@pytest.mark.parametrize(('kwargs', 'words'), [
    (dict(), 'sparsity in .0, 1., or None'),
    (dict(sparsity=1.), 'got 1.0'),
    (dict(sparsity=.4, init='checkpoint'), "got 0.4 with init='checkpoint'"),
    (dict(sparsity=.4, init='snap'), 'Did you mean snip'),
    (dict(sparsity=.4, growth='gradients'), 'Did you mean gradient'),
    (dict(sparsity=.4, prune_rate=2.), 'prune_rate <= 1'),
    (dict(sparsity=.4, interval=-1), 'interval >= 0'),
])
def test_wrong_arguments(kwargs, words):
    with pytest.raises(UserError, match=words):
        DynamicSparsityHook(**kwargs)


def test_unknown_module(tmp_path):
    with pytest.raises(UserError, match='path of a module, got .heads.*Did you mean head'):
        make_runner(tmp_path, dict(module='heads')).train()
