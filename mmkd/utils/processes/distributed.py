"""Several processes: without an accelerator, and without warnings that mean nothing."""
import warnings

import torch.distributed as dist
from mmengine.config import Config
from mmengine.device import get_device


def prepare_cpu_processes(config: Config) -> None:
    """Lets MMEngine's Runner work with the processes of torchrun where there is only the CPU.

    MMEngine sets a CUDA device before it joins the processes, and gives DDP one. So they are joined here, with
    gloo, unless they are already, and DDP is told that there is no device. With an accelerator nothing is done.

    Args:
        config: A config with ``launcher``; gets a ``model_wrapper_cfg`` unless it has one.
    """
    if config.get('launcher') != 'pytorch' or get_device() != 'cpu':
        return
    if not dist.is_initialized():
        dist.init_process_group('gloo')
    if not config.get('model_wrapper_cfg'):
        config.model_wrapper_cfg = dict(
            type='MMDistributedDataParallel',
            device_ids=None,
            broadcast_buffers=False,
            find_unused_parameters=config.get('find_unused_parameters', False))


def ignore_stride_warnings() -> None:
    """Leaves out DDP's warning of the strides of gradients.

    PyTorch's convolutions give the gradient of a depthwise or 1×1 weight another stride along its axis of one element.
    No element moves by that, and nothing takes longer, but DDP compares all strides and warns once a run.
    """
    warnings.filterwarnings('ignore', 'Grad strides do not match bucket view strides')
