"""The layout of convolutions in memory."""
import torch
from torch import nn


def use_channels_last(model: nn.Module) -> None:
    """Brings the weights of 2-D convolutions, and their gradients, into ``channels_last``; others have no such layout.

    Args:
        model: The model, whose parameters stay the same objects.
    """
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.dim() == 4:
            tensor.data = tensor.data.contiguous(memory_format=torch.channels_last)
            if tensor.grad is not None:
                tensor.grad = tensor.grad.contiguous(memory_format=torch.channels_last)
