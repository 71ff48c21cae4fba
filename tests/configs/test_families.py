"""One config of each family trains two iterations on generated data, through MMEngine's Runner."""
import gc
import math
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.model import convert_sync_batchnorm
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmkd.distillers import Distiller
from mmkd.utils.checkpoints.reading import read_checkpoint
from mmkd.utils.configs.finding import load_config
from mmkd.zoo.index import model_index

from .expected_schedule import expected_lr
from .families import bases, ingredients, representatives
from .reading import ROOT, every_config, shown
from .small_training import ITERATIONS, small

PARTS = 24  # into which the trainings are divided
FOLDERS = sorted(path.name for path in ROOT.iterdir() if path.is_dir() and path.name != '_base_')
SMALL = ('/convnest-atto_32xb128_in1k.py', '-bn_1xb128_cifar10.py', '-crd_8xb32-100e_in1k.py',
         '-dkd_1xb64-2400e_cifar100.py', '/slak-mini-sparse40_digits.py')
sys.path.insert(0, str(Path(__file__).parents[2] / 'tools'))


class Watch(Hook):
    """Notes what happens in each iteration, and ends the training after the last one."""
    priority = 'VERY_LOW'

    def __init__(self) -> None:
        self.losses: list[dict[str, float]] = []
        self.rates: list[list[tuple[float, float]]] = []
        self.reached: set[str] = set()
        self.start: dict[str, Tensor] = {}

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        if not self.start:
            for name, p in trainable(runner.model):
                self.start[name] = p.detach().clone()
                p.register_hook(lambda grad, name=name: self.reached.add(name) if grad.isfinite().all() else None)
        groups = runner.optim_wrapper.param_groups
        self.rates.append([(group['initial_lr'], group['lr']) for group in groups])

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        self.losses.append({name: float(value.detach()) for name, value in outputs.items()})
        runner.train_loop.stop_training = len(self.losses) == ITERATIONS


def trainable(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    return [(name, p) for name, p in model.named_parameters() if p.requires_grad]


def teachers_of(model: nn.Module) -> dict[str, Tensor]:
    teachers = model.teachers if isinstance(model, Distiller) else {}
    return {f'{name}.{key}': value.clone() for name, teacher in teachers.items()
            for key, value in teacher.model.state_dict().items()}


@pytest.fixture
def train(all_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Trains a config for two iterations and checks all that this has changed."""
    from mmkd.engine.training import watch_distillation
    monkeypatch.chdir(all_data)
    monkeypatch.setattr('mmpretrain.datasets.cifar.CIFAR10._check_integrity', lambda self: True)

    def _train(name: str) -> None:
        gc.collect()  # the Runner before it and its hooks refer to each other
        work_dir = tmp_path / name.replace('/', '_')
        config = small(load_config(ROOT / name), work_dir, name.replace('/', '_'))
        watch_distillation(config)
        # As with several GPUs: norms are converted, and not back. Without processes to talk to they only do not talk.
        monkeypatch.setattr('mmengine.runner.runner.revert_sync_batchnorm', lambda model: (
            convert_sync_batchnorm(model, config.sync_bn) if config.get('sync_bn') else model))
        check_two_iterations(Runner.from_cfg(config))

    return _train


def check_two_iterations(runner: Runner) -> None:
    watch, model, teachers = Watch(), runner.model, teachers_of(runner.model)
    runner.register_hook(watch)
    runner.train()
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    assert not runner.cfg.get('sync_bn') or all(isinstance(norm, nn.SyncBatchNorm) for norm in norms)
    assert len(watch.losses) == ITERATIONS
    assert all(math.isfinite(value) for losses in watch.losses for value in losses.values())
    check_rates(runner.cfg, watch, len(runner.train_dataloader))
    check_parameters(model, watch)
    after = teachers_of(model)
    assert after.keys() == teachers.keys() and all(torch.equal(value, teachers[name]) for name, value in after.items())
    check_checkpoint(runner.cfg, Path(runner.work_dir))


def one_of(folder: str) -> str:
    """The family of a folder that is trained always: one of small models, if there is such."""
    first, *more = (name for name in representatives() if name.startswith(f'{folder}/'))
    return next((name for name in more if name.endswith(SMALL)), first)


@pytest.mark.parametrize('folder', [
    pytest.param(folder, marks=pytest.mark.slow if folder == 'slak' else ()) for folder in FOLDERS])
def test_two_iterations_of_each_folder(folder, train):
    """SLaK's, all of which are large, when the slow ones run: the quick start has a small one."""
    train(one_of(folder))


@pytest.mark.slow
@pytest.mark.parametrize('name', sorted(shown(path) for path in (ROOT / 'foundation').glob('*.py')))
def test_two_iterations_of_each_foundation_teacher(name, train):
    """Their families differ in how tokens are laid out and pooled, and in the size and type of the images."""
    train(name)


@pytest.mark.slow
@pytest.mark.parametrize('part', range(PARTS))
def test_two_iterations(part, train):
    """Of all other families; which they are is found out here, and not when tests are collected."""
    others = sorted(set(representatives()) - set(map(one_of, FOLDERS)))
    for name in others[part::PARTS]:
        try:
            train(name)
        except Exception as error:
            raise AssertionError(f'{name}: {error}') from error


def test_all_bases_are_trained_with():
    """But models that only the index of the zoo names, for their weights."""
    configs = every_config()
    found = {entry for name in representatives() for entry in ingredients(name, configs[name])}
    indexed = {ROOT.parent / entry['Config'] for entry in model_index().values()}
    kept = {shown(path) for path in indexed.union(*(bases(load_config(path)) for path in indexed))}
    every = {shown(path) for path in ROOT.glob('*/_base_/**/*.py')}
    assert every - {entry for kind, entry in found if kind == 'base'} - kept == set()


def test_all_averages_count_optimizer_steps():
    """MMEngine's own counts batches."""
    types = [hook['type'] for config in every_config().values() for hook in config.get('custom_hooks') or []]
    assert {name for name in types if name.endswith('EMAHook')} == {'mmkd.EMAHook'}


@pytest.mark.parametrize('change', [
    {'model.terms.nkd.loss.type': 'mmkd.Another'}, {'optim_wrapper.optimizer.type': 'Another'},
    {'train_dataloader.dataset.pipeline.0.type': 'Another'}, {'custom_hooks': [dict(type='Another')]}])
def test_something_new_is_another_family(change):
    configs, name = every_config(), 'convnest/convnest-tiny_slak-tiny-nkd_16xb128_in1k.py'
    known = {entry for other in representatives() for entry in ingredients(other, configs[other])}
    assert set(ingredients(name, configs[name])) <= known
    assert not set(ingredients(name, load_config(ROOT / name, change))) <= known


def check_rates(config: Config, watch: Watch, epoch_length: int) -> None:
    factor = max(1., (config.optim_wrapper.get('paramwise_cfg') or {}).get('bias_lr_mult', 1.))
    assert max(initial for initial, _ in watch.rates[0]) == pytest.approx(factor * config.optim_wrapper.optimizer.lr)
    for iteration, groups in enumerate(watch.rates):
        for initial, rate in groups:
            assert rate == pytest.approx(expected_lr(config, initial, iteration, epoch_length), rel=1e-6)


def check_parameters(model: nn.Module, watch: Watch) -> None:
    now = dict(trainable(model))
    assert now.keys() == watch.start.keys() and all(p.isfinite().all() for p in now.values())
    assert sorted(now.keys() - watch.reached) == [], 'get no finite gradient'
    changed = {name for name, p in now.items() if not torch.equal(p, watch.start[name])}
    assert {part(name) for name in changed} == {part(name) for name in now}


def part(name: str) -> str:
    """Backbone, neck or head of the trained model, or a term's loss or connector."""
    return '.'.join(name.split('.')[:3 if name.startswith('terms.') else 2 if name.startswith('student.') else 1])


def check_checkpoint(config: Config, work_dir: Path) -> None:
    hook = config.default_hooks.checkpoint
    wanted = ['epoch_1.pth'] if hook.get('by_epoch', True) and hook.interval == 1 else []
    assert [path.name for path in work_dir.glob('*.pth')] == wanted
    for name in wanted:
        checkpoint = read_checkpoint(work_dir / name)
        assert not any(key.startswith('teacher') for key in checkpoint['state_dict'])
        averaged = any(item['type'] == 'mmkd.EMAHook' for item in config.get('custom_hooks') or [])
        assert averaged == ('ema_state_dict' in checkpoint)
        (work_dir / name).unlink()
