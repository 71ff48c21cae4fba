"""Every config builds its model and reads like the others. One of each family is trained in test_families.py."""
import json
import re
from functools import cache

import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import MODELS, init_default_scope
from torch import nn
from torch.overrides import TorchFunctionMode

from mmkd.analysis.weightless import without_weights
from mmkd.utils.configs import load_config

from .reading import LEAVES, shown


class NumbersOnCPU(TorchFunctionMode):
    """Keeps on the CPU what is read while models are built: drop-path rates, means and deviations of images."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if function in (torch.linspace, torch.tensor, torch.as_tensor):
            kwargs.setdefault('device', 'cpu')
        if function is torch.Tensor.cpu and args[0].is_meta:
            return args[0]
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
