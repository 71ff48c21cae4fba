"""Autocast, on devices that may not know of it, and the updates that a gradient scaler leaves out."""
from contextlib import AbstractContextManager, nullcontext

import torch
from torch.optim import Optimizer


def full_precision(device: str) -> AbstractContextManager:
    """Switches autocast off; does nothing on the meta device, of which autocast does not know."""
    return nullcontext() if device == 'meta' else torch.autocast(device, enabled=False)


def autocast_is_on(device: str) -> bool:
    """Whether autocast is on for a device."""
    return device != 'meta' and torch.is_autocast_enabled(device)


def has_stepped(optimizer: Optimizer) -> bool:
    """Whether a step moves the weights, asked in a hook after it.

    A scaler does not call most optimizers where gradients overflow. A fused one it calls, with the answer: reading that
    waits for the device, as the scaler itself does for the others.
    """
    overflow = getattr(optimizer, 'found_inf', None)
    return overflow is None or not bool(overflow)
