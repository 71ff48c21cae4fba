"""``torch.load`` without code, for whoever calls it: MMEngine's, mmdet's and timm's own ways to a file included."""
import functools
import pickle
from typing import Any

import torch

from mmkd.utils.errors import UserError
from mmkd.utils.trust import is_trusted

from .reading import allowed_classes


def guard_torch_load() -> None:
    """Puts a ``torch.load`` in place that reads data only, whatever it is asked for, unless files are trusted."""
    if hasattr(torch.load, 'unguarded'):
        return
    unguarded = torch.load

    @functools.wraps(unguarded)
    def load(f: Any, *args: Any, **kwargs: Any) -> Any:
        if is_trusted():
            return unguarded(f, *args, **kwargs)
        kwargs.pop('pickle_module', None)
        try:
            with allowed_classes():
                return unguarded(f, *args[:1], **kwargs | dict(weights_only=True))
        except pickle.UnpicklingError as error:
            name = f if isinstance(f, str) else getattr(f, 'name', 'the file')
            raise UserError(f'{name} holds Python objects beside tensors'
                            ' and may run code, or is damaged, so it was refused.') from error

    load.unguarded = unguarded  # type: ignore[attr-defined]
    torch.load = load
