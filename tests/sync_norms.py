"""PyTorch's synchronised batch norm on the CPU, in two processes.

``torch.nn.SyncBatchNorm``, its autograd function and its collectives are PyTorch's own. What PyTorch has for GPUs alone
are five kernels; here they are, in a line or two each.
"""
from unittest.mock import patch

import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

forwards: list[torch.Size] = []  # what the norms have been given


def install() -> None:
    """Gives PyTorch the kernels, and lets synchronised norms take tensors on the CPU."""
    for kernel in (batch_norm_stats, batch_norm_gather_stats_with_counts, batch_norm_elemt, batch_norm_backward_reduce,
                   batch_norm_backward_elemt):
        setattr(torch, kernel.__name__, kernel)
    forward = torch.nn.SyncBatchNorm.forward

    def accepting(norm: torch.nn.SyncBatchNorm, x: Tensor) -> Tensor:
        forwards.append(x.shape)
        with patch.object(torch._C, '_get_privateuse1_backend_name', lambda: 'cpu'):  # a device that it takes
            return forward(norm, x)

    torch.nn.SyncBatchNorm.forward = accepting
    DistributedDataParallel._passing_sync_batchnorm_handle = lambda self, module: None  # it refuses the CPU, no more


def batch_norm_stats(x: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    var, mean = torch.var_mean(x, _but_channels(x), correction=0)
    return mean, (var + eps).rsqrt()


def batch_norm_gather_stats_with_counts(x: Tensor, means: Tensor, invstds: Tensor, running_mean: Tensor | None,
                                        running_var: Tensor | None, momentum: float, eps: float,
                                        counts: Tensor) -> tuple[Tensor, Tensor]:
    share, total = (counts / counts.sum())[:, None], counts.sum()
    mean = (share * means).sum(0)
    var = (share * (invstds**-2 - eps + (means - mean).square())).sum(0)
    if running_mean is not None:
        running_mean.lerp_(mean, momentum)
        running_var.lerp_(var * total / (total - 1), momentum)
    return mean, (var + eps).rsqrt()


def batch_norm_elemt(x: Tensor, weight: Tensor | None, bias: Tensor | None, mean: Tensor, invstd: Tensor,
                     eps: float) -> Tensor:
    y = (x - _wide(mean, x)) * _wide(invstd, x)
    return y if weight is None else y * _wide(weight, x) + _wide(bias, x)


def batch_norm_backward_reduce(grad: Tensor, x: Tensor, mean: Tensor, invstd: Tensor, weight: Tensor | None,
                               *wanted: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    sum_dy = grad.sum(_but_channels(x))
    sum_dy_xmu = (grad * (x - _wide(mean, x))).sum(_but_channels(x))
    return sum_dy, sum_dy_xmu, sum_dy_xmu * invstd, sum_dy


def batch_norm_backward_elemt(grad: Tensor, x: Tensor, mean: Tensor, invstd: Tensor, weight: Tensor | None,
                              sum_dy: Tensor, sum_dy_xmu: Tensor, counts: Tensor) -> Tensor:
    total = counts.sum()
    scale = invstd if weight is None else invstd * weight
    centred = (x - _wide(mean, x)) * _wide(invstd.square() * sum_dy_xmu / total, x)
    return (grad - _wide(sum_dy / total, x) - centred) * _wide(scale, x)


def _but_channels(x: Tensor) -> list[int]:
    return [dim for dim in range(x.dim()) if dim != 1]


def _wide(channels: Tensor, x: Tensor) -> Tensor:
    return channels.view(1, -1, *[1] * (x.dim() - 2))
