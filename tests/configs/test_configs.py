"""Every config builds its model and reads like the others. One of each family is trained in test_families.py."""
import json
import re
from functools import cache
from pathlib import Path

import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import MODELS, init_default_scope
from torch import nn
from torch.overrides import TorchFunctionMode

from mmkd.recipes.weightless import without_weights
from mmkd.utils.configs.finding import load_config

from .reading import LEAVES, shown

FOLDERS = sorted({shown(path).split('/')[0] for path in LEAVES})


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


SLOW = ('large_kernel_kd', 'scale_kd', 'vanilla_kd')  # half a minute each


@pytest.mark.parametrize('folder', [
    pytest.param(folder, marks=pytest.mark.slow if folder in SLOW else ()) for folder in FOLDERS])
def test_builds(folder, monkeypatch):
    monkeypatch.setattr('mmkd.distillers.models.building._initialise_teacher', lambda model, spec: None)
    failed = {}
    for path in leaves(folder):
        config = load_config(path)
        assert {f'{split}_{part}' for split in ('train', 'val', 'test') for part in ('dataloader', 'cfg')} <= {*config}
        try:  # recipes that differ in their schedules or data only build the same model, once
            assert builds(json.dumps(dict(model=without_weights(config)[0], default_scope=config.default_scope)))
        except Exception as error:
            failed[shown(path)] = f'{type(error).__name__}: {error}'
    assert failed == {}


@pytest.mark.parametrize('folder', FOLDERS)
def test_reads_like_the_others(folder):
    assert {shown(path): wrong for path in leaves(folder) if (wrong := unlike_the_others(path))} == {}


def unlike_the_others(path: Path) -> str:
    """What is wrong with a file's length, header, command or status, if anything."""
    lines = path.read_text(encoding='utf-8').splitlines()
    head = '\n'.join(lines[:next(i for i, line in enumerate(lines) if not line.startswith('#'))])
    command = re.search(r'^# Command: +(?:python tools/train\.py|bash tools/dist_train\.sh) (\S+)', head, re.MULTILINE)
    status = re.search(r'^# status: +(reproduced|not run here)\b(.*)', head, re.MULTILINE | re.IGNORECASE)
    if len(lines) > 40:
        return f'{len(lines)} lines'
    if not command or command.group(1) != f'configs/{shown(path)}':
        return 'the command is not that of the file'
    if not status or not re.search(r'GPU|CPU', status.group(2)):
        return 'say "reproduced" or "not run here", and the hardware'
    return ''


def leaves(folder: str) -> list[Path]:
    """The configs of a folder."""
    return [path for path in LEAVES if shown(path).startswith(f'{folder}/')]
