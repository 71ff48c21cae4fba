"""EpochSeedHook."""
import random
from types import SimpleNamespace

import numpy as np
import torch

from mmkd.engine.hooks import EpochSeedHook


def draws(seed, epoch):
    EpochSeedHook().before_train_epoch(SimpleNamespace(seed=seed, epoch=epoch))
    return random.random(), np.random.rand(), torch.rand(()).item()


def test_follow_from_seed_and_epoch_alone():
    first = draws(0, 3)
    random.seed(9), np.random.seed(9), torch.manual_seed(9)
    assert draws(0, 3) == first
    assert all(a != b for other in (draws(0, 4), draws(1, 3)) for a, b in zip(first, other))
