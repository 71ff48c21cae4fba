"""Autocast, on devices that may not know of it."""
from contextlib import AbstractContextManager, nullcontext

import torch


def full_precision(device: str) -> AbstractContextManager:
    """Switches autocast off; does nothing on the meta device, of which autocast does not know."""
    return nullcontext() if device == 'meta' else torch.autocast(device, enabled=False)


def autocast_is_on(device: str) -> bool:
    """Whether autocast is on for a device."""
    return device != 'meta' and torch.is_autocast_enabled(device)
