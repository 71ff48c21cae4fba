"""What several processes print."""
import warnings
from pathlib import Path

import pytest
import torch
from mmengine.registry import MODELS
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from mmkd.utils.configs.finding import load_config
from mmkd.utils.processes.distributed import ignore_stride_warnings
from tests.processes import run_ranks

CONFIGS = ('quickstart/convnest-mini_digits-5shot.py', 'quickstart/slak-mini_digits.py')


def steps(model: nn.Module, ignore: bool) -> list[str]:
    """What two training steps of two processes warns of, of strides."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        if ignore:
            ignore_stride_warnings()
        model = DistributedDataParallel(model.train())
        for _ in range(2):  # DDP arranges its buckets anew after the first step
            model(torch.randn(4, 3, 32, 32))[-1].sum().backward()
    return [str(warning.message) for warning in caught if 'strides' in str(warning.message)]


def train_ours(rank: int) -> None:
    import mmpretrain.models  # noqa: F401
    for name in CONFIGS:
        backbone = MODELS.build(dict(load_config(name).model.backbone))
        assert steps(backbone, ignore=False) == []


class Depthwise(nn.Conv2d):
    """PyTorch's own, whose weight's gradient has a stride of 1 along its axis of one channel."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor]:
        return (super().forward(x.contiguous(memory_format=torch.channels_last)), )


def train_plain(rank: int, ignore: bool) -> None:
    assert len(steps(Depthwise(3, 3, 3, groups=3), ignore)) == (0 if ignore else 1)


@pytest.mark.processes
def test_the_gradients_of_our_backbones_have_the_strides_that_ddp_expects(tmp_path: Path):
    run_ranks(train_ours, tmp_path)


@pytest.mark.processes
@pytest.mark.parametrize('ignore', [False, True])
def test_the_strides_of_other_convolutions_are_not_printed(tmp_path: Path, ignore: bool):
    run_ranks(train_plain, tmp_path, ignore)


def test_other_warnings_are_printed():
    with warnings.catch_warnings(record=True) as caught:
        ignore_stride_warnings()
        warnings.warn('Grad strides are something else', stacklevel=1)
    assert len(caught) == 1
