"""Which weights of a checkpoint are taken, and under which names.

A file may hold the weights of the last step ("raw") and their running average ("ema"). MMEngine's ``EMAHook`` keeps the
average as ``state_dict`` and the raw weights as ``ema_state_dict``; timm and the authors' codes keep the average as
``state_dict_ema`` or ``model_ema``. A run of mmkd notes in ``meta['validated_weights']`` which of them it validated.
"""
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from mmengine.logging import print_log
from torch import Tensor

from mmkd.utils.errors import UserError

STUDENT_PREFIX = 'student.'
RAW, EMA, BOTH = 'raw', 'ema', 'both'
NAMES = {RAW: 'the raw weights', EMA: 'the averaged (EMA) weights'}
RAW_KEYS = ('state_dict', 'model', 'model_state_dict')
EMA_KEYS = ('state_dict_ema', 'model_ema', 'ema_state_dict', 'ema')


@dataclass(frozen=True)
class Weights:
    """The weights of a file.

    Args:
        tensors: Parameter name to tensor, as the file has them but for the wrappings of DDP and ``torch.compile``.
        kind: ``'raw'`` or ``'ema'``.
        said: Which were taken, and why, for the log.
        alone: Whether the file has no others and they are raw, so that nothing need be said.
    """
    tensors: dict[str, Tensor]
    kind: str
    said: str
    alone: bool


def split_choice(name: str) -> tuple[str, str | None]:
    """Splits ``FILE#raw`` or ``FILE#ema``, by which weights are chosen wherever a checkpoint is named."""
    base, separator, choice = name.rpartition('#')
    return (base, choice) if separator and choice in (RAW, EMA) else (name, None)


def validated_kinds(checkpoint: Mapping) -> tuple[str, ...]:
    """What the run validated: ``('raw', )``, ``('ema', )`` or both, the average first; ``()`` if it is not said."""
    meta = checkpoint.get('meta')
    value = meta.get('validated_weights') if isinstance(meta, Mapping) else None
    return {RAW: (RAW, ), EMA: (EMA, ), BOTH: (EMA, RAW)}.get(value, ()) if isinstance(value, str) else ()


def choose_weights(checkpoint: object, source: str, which: str | None = None) -> Weights:
    """Takes the raw or the averaged weights out of a checkpoint.

    Args:
        checkpoint: What :func:`~mmkd.utils.checkpoints.reading.read_checkpoint` returned.
        source: Its path, for messages.
        which: ``'raw'`` or ``'ema'``; None takes those that were validated; if the file does not say, those that it
            has in the usual place.

    Returns:
        The weights.

    Raises:
        UserError: There are none, or not those that are asked for; or some have no plain data, or the name of another.
    """
    if not isinstance(checkpoint, Mapping):
        raise UserError(f'checkpoint {source} expects a dict of tensors, got {type(checkpoint).__name__}. '
                        'Give a checkpoint with a state_dict.')
    found, usual = _states(checkpoint)
    validated = [kind for kind in validated_kinds(checkpoint) if kind in found]
    kind = which or (validated[0] if validated else usual)
    if kind not in found:
        raise UserError(f'checkpoint {source} expects {NAMES[kind]}, and has only {NAMES[usual]}. '
                        'Leave the choice out.')
    tensors = _unwrapped(found[kind], checkpoint, source)
    _check_kinds(tensors, source)
    if not tensors:
        raise UserError(f'checkpoint {source} holds no tensors. Give a checkpoint with a state_dict.')
    other = next((each for each in found if each != kind), None)
    reason = 'as chosen' if which else 'which its run validated' if validated else \
        'the only ones in it' if other is None else 'those in the usual place'
    said = f'{source}: {NAMES[kind]} are taken, {reason}'
    said += f' ({source.split("#")[0]}#{other} names {NAMES[other]}).' if other else '.'
    return Weights(tensors, kind, said, other is None and kind == RAW)


def _states(checkpoint: Mapping) -> tuple[dict[str, Mapping], str]:
    """The kinds of weights that a file holds, and the kind in the usual place."""
    raw = next((checkpoint[key] for key in RAW_KEYS if isinstance(checkpoint.get(key), Mapping)), None)
    ema = next((checkpoint[key] for key in EMA_KEYS if isinstance(checkpoint.get(key), Mapping)), None)
    if raw is None and ema is None:
        return {RAW: checkpoint}, RAW
    if raw is not None and isinstance(checkpoint.get('ema_state_dict'), Mapping) and 'state_dict' in checkpoint:
        swapped = {str(name): value for name, value in checkpoint['ema_state_dict'].items()
                   if str(name).startswith('module.')}  # beside it: the average's count of steps
        return ({EMA: raw, RAW: swapped} if swapped else {RAW: raw}), (EMA if swapped else RAW)
    found = {kind: state for kind, state in ((RAW, raw), (EMA, ema)) if state is not None}
    return found, next(iter(found))


def _unwrapped(state: Mapping, checkpoint: Mapping, source: str) -> dict[str, Tensor]:
    """Drops the ``module.`` of DDP, the ``_orig_mod.`` of ``torch.compile``, and Lightning's ``model.``."""
    given = {name: value for name, value in state.items() if isinstance(value, Tensor)}
    names = [str(name).replace('_orig_mod.', '') for name in given]
    while any(name.startswith('module.') for name in names):
        names = [name.removeprefix('module.') for name in names]
    tensors = dict(zip(names, given.values(), strict=True))
    if len(tensors) < len(given):
        twice = next(name for name, count in Counter(names).items() if count > 1)
        raise UserError(f'checkpoint {source} expects each tensor once, got several that are {twice!r} without the '
                        'prefixes of wrappers. Save the state_dict of one model.')
    if 'pytorch-lightning_version' in checkpoint:
        own = {name.removeprefix('model.'): value for name, value in tensors.items() if name.startswith('model.')}
        return own or tensors
    return tensors


def _check_kinds(tensors: Mapping[str, Tensor], source: str) -> None:
    """Refuses tensors whose numbers do not lie in a plain array."""
    for name, value in tensors.items():
        kind = ('without data (meta)' if value.is_meta else 'quantised' if value.is_quantized else
                f'{value.layout}' if value.layout is not torch.strided else '')
        if kind:
            raise UserError(f'checkpoint {source} expects dense tensors of numbers, got {name!r}, which is {kind}. '
                            'Save the state_dict of a dense model that was loaded and not quantised.')


def plain(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A model's own names: of a distiller's weights the student's, of a wrapped model's those without ``model.``.

    Args:
        weights: What :func:`choose_weights` took.
    """
    student = {name.removeprefix(STUDENT_PREFIX): value for name, value in weights.items()
               if name.startswith(STUDENT_PREFIX)}
    own = student or dict(weights)
    if all(name.startswith('model.') for name in own):  # a wrapped timm or Hugging Face model, or Lightning's
        own = {name.removeprefix('model.'): value for name, value in own.items()}
    return own


def candidates(weights: Mapping[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """The names under which a model or a distiller may look for these weights."""
    yield dict(weights)
    own = plain(weights)
    for prefix in ('', STUDENT_PREFIX, f'{STUDENT_PREFIX}model.', 'model.'):  # the last two of wrapped timm models
        yield {f'{prefix}{name}': value for name, value in own.items()}


def weights_of(checkpoint: Mapping, source: str, which: str | None = None) -> dict[str, Tensor]:
    """Extracts a model's weights from the usual wrappings of a checkpoint, and logs which if there is a choice.

    Takes ``state_dict``, ``model``, ``state_dict_ema`` or ``model_ema``, drops the prefixes of wrappers, and of a
    distiller's training checkpoint takes the student.

    Args:
        checkpoint: What :func:`~mmkd.utils.checkpoints.reading.read_checkpoint` returned.
        source: Its path, for messages.
        which: See :func:`choose_weights`.

    Returns:
        Parameter name to tensor.

    Raises:
        UserError: No tensors are found.
    """
    chosen = choose_weights(checkpoint, source, which)
    if not chosen.alone:
        print_log(chosen.said, logger='current')
    return plain(chosen.tensors)
