"""Reading checkpoints safely, and loading them strictly."""
import codecs
import pickle
import zipfile
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from torch import Tensor, nn

from .architecture import contradictions
from .errors import UserError

STUDENT_PREFIX = 'student.'
_trusted = False  # set by trust_checkpoints


def _safe_classes() -> list:
    """What training checkpoints hold beside tensors: MMEngine's log, as numpy arrays; timm's and DeiT's arguments."""
    dtypes = {type(np.dtype(kind)) for kind in 'bBhHiIlLqQefd?U'}
    makers: list[Any] = [np.zeros(1).__reduce__()[0], np.float64(0).__reduce__()[0]]
    # NumPy 2 renamed the module: a file written under one major version is read under the other.
    makers_by_name = [_under_name(maker, f'numpy.{core}.multiarray', maker.__name__)
                      for core in ('core', '_core') for maker in makers]
    return [HistoryBuffer, Namespace, np.ndarray, np.dtype, *makers_by_name, *dtypes, codecs.encode,
            _under_name(_method_of_history_buffer, 'builtins', 'getattr')]


def _under_name(function: Callable, module: str, name: str) -> Callable:
    """The function under the name by which pickle refers to it."""

    def stand_in(*args: object) -> object:
        return function(*args)

    stand_in.__module__, stand_in.__name__, stand_in.__qualname__ = module, name, name
    return stand_in


def _method_of_history_buffer(owner: type, name: str) -> object:
    """Stands in for ``getattr``, by which pickle refers to the statistics of a HistoryBuffer."""
    if owner is not HistoryBuffer or name.startswith('_'):
        raise pickle.UnpicklingError(f'Unsupported attribute {name} of {owner}')
    return getattr(owner, name)


@contextmanager
def _allowed_classes() -> Iterator[None]:
    before = torch.serialization.get_safe_globals()
    torch.serialization.add_safe_globals(_safe_classes())
    try:
        yield
    finally:
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(before)


def read_checkpoint(path: str | Path, trust: bool | None = None) -> dict:
    """Reads a checkpoint file without running any code that it may hold.

    Args:
        path: The file. A name that ends in ``.safetensors`` says that it is one; any other is PyTorch's.
        trust: Whether to unpickle arbitrary objects, which may run code. Only for own files. None does
            what :func:`trust_checkpoints` was told, or refuses.

    Returns:
        The checkpoint's contents, on the CPU.

    Raises:
        UserError: The file is missing, truncated, no checkpoint, or holds other objects than tensors,
            numbers and text.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise UserError(f'checkpoint expects an existing file, got {path}. Check the path.')
    if path.suffix == '.safetensors':
        return _read_safetensors(path)
    try:
        with _allowed_classes():
            return torch.load(path, map_location='cpu', weights_only=not (_trusted if trust is None else trust))
    except pickle.UnpicklingError as error:
        first_line = str(error).splitlines()[0] if str(error) else ''
        if 'nsupported' in str(error) or 'eights' in str(error):
            raise UserError(
                f'checkpoint {path} holds Python objects beside tensors and may run code, so it was refused. '
                'If you trust its source, pass --trust-checkpoint.') from error
        raise UserError(f'checkpoint {path} is corrupt ({first_line}). Download or copy it again.') from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise UserError(f'checkpoint {path} is truncated or no checkpoint '
                        f'({str(error).splitlines()[0] if str(error) else type(error).__name__}). '
                        'Download or copy it again.') from error


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError as error:
        raise UserError(f'checkpoint {path} expects the package safetensors, which is not installed. '
                        'Install it with: pip install safetensors') from error
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(f'checkpoint {path} is truncated or no safetensors file ({error}). '
                        'Download or copy it again.') from error


def weights_of(checkpoint: Mapping, source: str) -> dict[str, Tensor]:
    """Extracts a model's weights from the usual wrappings of a checkpoint.

    Takes ``state_dict``, ``model`` or ``state_dict_ema``, drops the ``module.`` of DDP, and of a distiller's training
    checkpoint takes the student.

    Args:
        checkpoint: What :func:`read_checkpoint` returned.
        source: Its path, for the error message.

    Returns:
        Parameter name to tensor.

    Raises:
        UserError: No tensors are found.
    """
    for key in ('state_dict', 'model', 'state_dict_ema'):
        if isinstance(checkpoint, Mapping) and isinstance(checkpoint.get(key), Mapping):
            checkpoint = checkpoint[key]
            break
    if not isinstance(checkpoint, Mapping):
        raise UserError(f'checkpoint {source} expects a dict of tensors, got {type(checkpoint).__name__}.')
    weights = {name.removeprefix('module.'): value for name, value in checkpoint.items()
               if isinstance(value, Tensor)}
    if not weights:
        raise UserError(f'checkpoint {source} holds no tensors. Give a checkpoint with a state_dict.')
    student = {name.removeprefix(STUDENT_PREFIX): value for name, value in weights.items()
               if name.startswith(STUDENT_PREFIX)}
    if student and all(name.startswith('model.') for name in student):  # a wrapped timm or Hugging Face model
        student = {name.removeprefix('model.'): value for name, value in student.items()}
    return student or weights


def load_strictly(model: nn.Module, weights: Mapping[str, Tensor], what: str) -> str:
    """Loads weights into a model if, and only if, every name and shape agrees.

    Args:
        model: The model.
        weights: Parameter name to tensor.
        what: The model and the file, for the messages.

    Returns:
        The report, ``'<what>: n of m tensors matched'``.

    Raises:
        UserError: Tensors are missing, unexpected or of another shape; nothing was loaded then.
    """
    own = model.state_dict()
    matched, problem = compare(own, weights)
    if problem:
        settings = contradictions(weights, own)
        raise UserError(f'{what}: {matched}; {problem}. ' + (f'{settings}. ' if settings else '') +
                        'This is a checkpoint of another model: check the config and the file.')
    model.load_state_dict(dict(weights))
    return f'{what}: {matched}'


def compare(own: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> tuple[str, str]:
    """Compares the names and shapes of a model's tensors with those of a checkpoint.

    Args:
        own: Parameter name to tensor of the model.
        weights: The same of the checkpoint.

    Returns:
        ``'n of m tensors matched'``, and what does not match: missing, unexpected and other shapes. Empty if all does.
    """
    missing = [name for name in own if name not in weights]
    unexpected = [name for name in weights if name not in own]
    shapes = [f'{name} {tuple(weights[name].shape)} instead of {tuple(own[name].shape)}'
              for name in own if name in weights and weights[name].shape != own[name].shape]
    matched = f'{len(own) - len(missing) - len(shapes)} of {len(own)} tensors matched'
    parts = [f'{kind} {few_names(names)}' for kind, names in
             (('missing', missing), ('unexpected', unexpected), ('of another shape', shapes)) if names]
    return matched, '; '.join(parts)


def few_names(names: list[str], most: int = 3) -> str:
    """The first names, and how many there are beside them."""
    more = f' and {len(names) - most} more' if len(names) > most else ''
    return ', '.join(names[:most]) + more


def trust_checkpoints(trust: bool) -> None:
    """Sets what :func:`read_checkpoint` does in this process unless it is told.

    Args:
        trust: Whether to unpickle arbitrary objects.
    """
    global _trusted
    _trusted = trust
