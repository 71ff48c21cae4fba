"""Reading checkpoints safely, and loading them strictly."""
import codecs
import json
import pickle
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from torch import Tensor, nn

from mmkd.utils.errors import UserError
from mmkd.utils.trust import is_trusted, set_trust

from .architecture import contradictions
from .files import NoCheckpointError, check_name, format_of, objects_in
from .weights import STUDENT_PREFIX, weights_of

__all__ = ['STUDENT_PREFIX', 'compare', 'damage', 'few_names', 'load_strictly', 'not_finite', 'read_checkpoint',
           'trust_checkpoints', 'unusable', 'weights_of']


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
def allowed_classes() -> Iterator[None]:
    """Lets PyTorch's safe reader take what training checkpoints hold beside tensors."""
    before = torch.serialization.get_safe_globals()
    torch.serialization.add_safe_globals(_safe_classes())
    try:
        yield
    finally:
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(before)


def read_checkpoint(path: str | Path, trust: bool | None = None) -> dict:
    """Reads a checkpoint file without running any code that it may hold.

    The file is whole: the checksums of its archive hold, and the hash in its name, if there is one.

    Args:
        path: The file, of PyTorch's or in the format of safetensors; its content says which.
        trust: Whether to unpickle arbitrary objects, which may run code. Only for own files. None does
            what :func:`trust_checkpoints` was told, or refuses.

    Returns:
        The checkpoint's contents, on the CPU.

    Raises:
        UserError: The file is missing, truncated, damaged, no checkpoint, or holds other objects than tensors,
            numbers and text.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise UserError(f'checkpoint expects an existing file, got {path}. Check the path.')
    try:
        kind = format_of(path)
        check_name(path)
    except (NoCheckpointError, OSError) as error:
        problem = str(error) if isinstance(error, NoCheckpointError) else f'cannot be read: {error.strerror or error}'
        if path.suffix == '.safetensors' and 'no safetensors file' not in problem:
            problem = f'is truncated or no safetensors file ({problem.removeprefix("is ")})'
        raise UserError(f'checkpoint {path} {problem}. Download or copy it again.') from error
    if kind == 'safetensors':
        return _read_safetensors(path)
    if path.suffix == '.safetensors':
        raise UserError(f'checkpoint {path} is no safetensors file, but one of PyTorch\'s or a pickle by that name. '
                        'Download or copy it again.')
    return _read_pickle(path, kind, is_trusted() if trust is None else trust)


def damage(path: Path) -> str:
    """What is wrong with a file as a checkpoint, to follow its name; empty if it is whole, as far as can be told."""
    try:
        kind = format_of(path)
    except NoCheckpointError as error:
        return str(error)
    try:
        if kind == 'legacy torch':  # which has no checksums, but an end
            _read_pickle(path, kind, False)
    except UserError as error:
        return '' if 'may run code' in str(error) else 'is truncated or damaged'
    return ''


def _read_pickle(path: Path, kind: str, trust: bool) -> dict:
    if kind == 'pickle' and not trust:
        raise UserError(f'checkpoint {path} is a pickle that PyTorch did not write and may run code, so it was '
                        'refused. Give a file that torch.save or safetensors wrote.')
    try:
        with allowed_classes():
            load = getattr(torch.load, 'unguarded', torch.load)
            return load(path, map_location='cpu', weights_only=not trust)
    except Exception as error:  # whatever pickle makes of damaged bytes, and of classes that are not there
        unsupported = isinstance(error, pickle.UnpicklingError) and (kind == 'torch' or 'nsupported ' in str(error))
        objects = [name for name in objects_in(path) if not name.startswith(('torch', 'collections.'))]
        if not trust and unsupported and (kind == 'torch' or objects):
            raise UserError(
                f'checkpoint {path} holds Python objects beside tensors'
                + (f' ({few_names(objects)})' if objects else '') + ' and may run code, so it was refused. '
                'If you trust its source, pass --trust-checkpoint.') from error
        text = (str(error) or type(error).__name__).splitlines()[0]
        text = 'its pickle cannot be read' if 'eights only' in text else text
        raise UserError(f'checkpoint {path} is corrupt or truncated ({text}). Download or copy it again.') from error


def _read_safetensors(path: Path) -> dict:
    """The tensors by name; of a student that mmkd has published in this format, with its ``meta``, as in its .pth."""
    try:
        from safetensors import safe_open
        from safetensors.torch import load_file
    except ImportError as error:
        raise UserError(f'checkpoint {path} expects the package safetensors, which is not installed. '
                        'Install it with: pip install safetensors') from error
    try:
        tensors = load_file(path)
        with safe_open(path, 'pt') as file:
            meta = json.loads((file.metadata() or {}).get('mmkd_meta', 'null'))
        return dict(meta=meta, state_dict=tensors) if isinstance(meta, dict) else tensors
    except Exception as error:  # safetensors' own, and torch's of unknown dtypes and shapes
        raise UserError(f'checkpoint {path} is truncated or no safetensors file ({error}). '
                        'Download or copy it again.') from error


def load_strictly(model: nn.Module, weights: Mapping[str, Tensor], what: str) -> str:
    """Loads weights into a model if, and only if, every name and shape agrees.

    Args:
        model: The model.
        weights: Parameter name to tensor.
        what: The model and the file, for the messages.

    Returns:
        The report, ``'<what>: n of m tensors matched'``.

    Raises:
        UserError: Tensors are missing, unexpected, of another shape, integers or not finite; nothing was loaded then.
    """
    report = check_fit(model, weights, what)
    model.load_state_dict(dict(weights))
    return report


def check_fit(model: nn.Module, weights: Mapping[str, Tensor], what: str) -> str:
    """Checks that weights would load strictly; a model without memory will do. See :func:`load_strictly`."""
    own = model.state_dict()
    matched, problem = compare(own, weights)
    if problem:
        settings = contradictions(weights, own)
        broken = ' of another kind ' in f' {problem}' or 'not finite' in problem
        raise UserError(f'{what}: {matched}; {problem}. ' + (f'{settings}. ' if settings else '') + (
            'Take a checkpoint from before its run diverged, or of full precision.' if broken else
            'This is a checkpoint of another model: check the config and the file.'))
    return f'{what}: {matched}'


def compare(own: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> tuple[str, str]:
    """Compares the names and shapes of a model's tensors with those of a checkpoint.

    Args:
        own: Parameter name to tensor of the model.
        weights: The same of the checkpoint.

    Returns:
        ``'n of m tensors matched'``, and what does not match: missing, unexpected, other shapes, integers in place of
        weights, and NaN. Empty if all does.
    """
    missing = [name for name in own if name not in weights]
    unexpected = [name for name in weights if name not in own]
    shared = [name for name in own if name in weights]
    shapes = [f'{name} {tuple(weights[name].shape)} instead of {tuple(own[name].shape)}'
              for name in shared if weights[name].shape != own[name].shape]
    broken = unusable(own, weights)
    wrong = {text.split()[0] for texts in [shapes, *broken.values()] for text in texts}
    matched = f'{len(shared) - len(wrong)} of {len(own)} tensors matched'
    parts = [f'{kind} {few_names(names)}' for kind, names in (
        ('missing', missing), ('unexpected', unexpected), ('of another shape', shapes), *broken.items()) if names]
    return matched, '; '.join(parts)


def unusable(own: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> dict[str, list[str]]:
    """What of a file no model can use: integers in place of its weights, and NaN where it has numbers.

    Args:
        own: Parameter name to tensor of the model.
        weights: The same of the checkpoint; names that the model has not are left out.

    Returns:
        What is wrong to the names, empty if nothing is.
    """
    shared = {name: value for name, value in weights.items() if name in own}
    kinds = [f'{name} {value.dtype} instead of {own[name].dtype}' for name, value in shared.items()
             if own[name].is_floating_point() and not value.is_floating_point()]
    bad = [name for name in not_finite(shared) if not not_finite({name: own[name]})]
    found = {'of another kind': kinds, 'not finite (NaN or infinite)': bad}
    return {what: names for what, names in found.items() if names}


def not_finite(weights: Mapping[str, Tensor]) -> list[str]:
    """The names of the tensors that hold NaN or infinite values."""
    numbers = {name: value for name, value in weights.items()
               if (value.is_floating_point() or value.is_complex()) and not value.is_meta}
    return [name for name, value in numbers.items()  # of a float of one byte, PyTorch cannot tell
            if not (value.float() if value.element_size() == 1 else value).isfinite().all()]


def few_names(names: list[str], most: int = 3) -> str:
    """The first names, and how many there are beside them."""
    more = f' and {len(names) - most} more' if len(names) > most else ''
    return ', '.join(names[:most]) + more


def trust_checkpoints(trust: bool) -> None:
    """Sets what :func:`read_checkpoint` does in this process unless it is told.

    Args:
        trust: Whether to unpickle arbitrary objects.
    """
    set_trust(trust)
