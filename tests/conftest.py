"""What every test gets."""
import os

import mmkd  # noqa: F401  (before mmdet: supplies mmcv's ops where they are not compiled)
import pytest

os.environ.setdefault('MPLBACKEND', 'Agg')


@pytest.fixture(scope='session', autouse=True)
def _torch_threads():
    """Uses the cores that this process may use, and not all that the machine has."""
    import torch
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
    torch.set_num_threads(min(cores or 1, 8))
