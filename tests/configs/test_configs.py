"""Every config builds its model, reads like the others, and one of each family trains a step."""
import json
import re
from functools import cache
from pathlib import Path

import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import Runner
from torch import nn
from torch.overrides import TorchFunctionMode

from mmkd.analysis.weightless import without_weights
from mmkd.utils.configs import config_root, load_config

ROOT = config_root()
LEAVES = sorted(path for path in ROOT.rglob('*.py') if '_base_' not in path.parts)
# One config a family and task; its data are the digits.
TRAINED = ['convnest-mini_digits-5shot', 'slak-mini_digits', 'convnest-mini_slak-mini-nkd_digits-5shot',
           'convnest-mini_slak-mini-kd_digits-5shot', 'mask-rcnn_convnest-mini_digits', 'upernet_convnest-mini_digits']


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


class NumbersOnCPU(TorchFunctionMode):
    """Keeps on the CPU what is read while models are built: drop-path rates, means and deviations of images."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if function in (torch.linspace, torch.tensor, torch.as_tensor):
            kwargs.setdefault('device', 'cpu')
        return function(*args, **kwargs)


def build(config: Config, device: str = 'cpu') -> nn.Module:
    """Builds what the Runner would, with random weights in place of checkpoints that are not here."""
    init_default_scope(config.default_scope)
    with torch.device(device), NumbersOnCPU():
        return MODELS.build(ConfigDict(without_weights(config)[0]))


@cache
def builds(fingerprint: str) -> bool:
    """Builds on the meta device, without memory for weights; a distiller runs its fake batch there."""
    model = build(Config(json.loads(fingerprint)), 'meta')
    return any(p.requires_grad for p in model.parameters())


@pytest.mark.parametrize('path', LEAVES, ids=shown)
def test_builds(path, monkeypatch):
    config = load_config(path)
    monkeypatch.setattr('mmkd.distillers.models._initialise_teacher', lambda model, spec: None)
    # Recipes that differ in their schedules or data only build the same model, once.
    assert builds(json.dumps(dict(model=without_weights(config)[0], default_scope=config.default_scope)))
    for split in ('train', 'val', 'test'):
        assert {f'{split}_dataloader', f'{split}_cfg'} <= set(config)


@pytest.mark.parametrize('path', LEAVES, ids=shown)
def test_reads_like_the_others(path):
    lines = path.read_text(encoding='utf-8').splitlines()
    assert len(lines) <= 40
    head = '\n'.join(lines[:next(i for i, line in enumerate(lines) if not line.startswith('#'))])
    command = re.search(r'^# Command: +(?:python tools/train\.py|bash tools/dist_train\.sh) (\S+)', head, re.MULTILINE)
    assert command and command.group(1) == f'configs/{shown(path)}'
    status = re.search(r'^# status: +(reproduced|not run here)\b(.*)', head, re.MULTILINE | re.IGNORECASE)
    assert status and re.search(r'GPU|CPU', status.group(2)), 'say "reproduced" or "not run here", and the hardware'


@pytest.mark.parametrize('name', TRAINED)
def test_trains_a_step(home, monkeypatch, name):
    monkeypatch.chdir(home)
    config = load_config(f'quickstart/{name}.py')
    model = build(config).train()
    model.init_weights()
    loader = Runner.build_dataloader({**config.train_dataloader, 'batch_size': 2}, seed=0)
    before = [p.detach().clone() for p in model.parameters()]
    log = model.train_step(next(iter(loader)), build_optim_wrapper(model, config.optim_wrapper))
    assert all(torch.isfinite(value).all() for value in log.values()) and log['loss'] > 0
    assert any(not torch.equal(p, old) for p, old in zip(model.parameters(), before))
    assert all(p.isfinite().all() for p in model.parameters())
