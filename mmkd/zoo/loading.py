"""Reading weights of any origin: our own, and the formats that authors publish."""
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from mmengine.logging import print_log
from torch import Tensor, nn

from mmkd.utils import UserError
from mmkd.utils.checkpoints.meta import remember_meta
from mmkd.utils.checkpoints.reading import compare, few_names, read_checkpoint, unusable, weights_of
from mmkd.utils.checkpoints.weights import candidates, choose_weights, plain, split_choice
from mmkd.utils.trust import is_trusted

from .class_token import has_unused_token, without_token
from .converters import convert
from .index import find_checkpoint, model_index

# Families that only mmkd has: whoever loads their files, in whatever way, wants mmkd's names.
OWN_FAMILIES = ('cswin', 'slak')


def load_weights(name: str, own_names: Iterable[str]) -> dict[str, Tensor]:
    """Reads the weights that a recipe calls by name, under the names of the model that takes them.

    Args:
        name: Path, URL or name of a model in the index; ``#raw`` or ``#ema`` after it says which weights of a file
            that has both.
        own_names: The parameters of the model. A file that has most of them is taken as it is; any other one is
            converted if a converter knows it.

    Returns:
        Parameter name to tensor.

    Raises:
        UserError: The file cannot be found or read.
    """
    return renamed(read_weights(name), name, own_names)


def read_weights(name: str) -> dict[str, Tensor]:
    """Reads the weights that a recipe calls by name, under the names that the file has; see :func:`load_weights`."""
    base, which = split_choice(name)
    path = find_checkpoint(base)
    checkpoint = read_checkpoint(path)
    remember_meta(name, checkpoint)
    return weights_of(checkpoint, path, which)


def renamed(weights: Mapping[str, Tensor], name: str, own_names: Iterable[str]) -> dict[str, Tensor]:
    """Brings weights under the names of the model that takes them; see :func:`load_weights`."""
    weights = dict(weights)
    own = set(own_names)
    if len(own & weights.keys()) <= len(own) / 2:
        weights, family = convert(weights)
        if family:
            print_log(f'{name}: converted from the published format of {family}.', logger='current')
    if has_unused_token(weights, own):
        print_log(f'{name}: its class token is left out, as the model has none.', logger='current')
        weights = without_token(weights)
    # Computed, not learned: some of timm's versions save it, others do not.
    return {name: tensor for name, tensor in weights.items()
            if name in own or not name.endswith('.relative_position_index')}


def fit_weights(checkpoint: Mapping, own: Mapping[str, Tensor], source: str,
                which: str | None = None) -> tuple[dict[str, Tensor], str, str]:
    """Renames a file's weights to those of a model: a student's for a distiller, a distiller's for its student.

    Args:
        checkpoint: What was read from the file.
        own: Parameter name to tensor of the model.
        source: Its path, for messages.
        which: ``'raw'`` or ``'ema'``; None takes those that were validated.

    Returns:
        The weights, ``'n of m tensors matched'``, and what does not match; see
        :func:`~mmkd.utils.checkpoints.reading.compare`.

    Raises:
        UserError: Not a single tensor fits, or one that would be taken is not finite or an integer.
    """
    chosen = choose_weights(checkpoint, source, which)
    if not chosen.alone:
        print_log(chosen.said, logger='current')
    converted, _ = convert(plain(chosen.tensors))
    fits = [names for weights in (chosen.tensors, converted) for names in candidates(weights)]
    best = max(fits, key=lambda names: len(_shared(names, own)))
    matched, problem = compare(own, best)
    if not _shared(best, own):
        raise UserError(f'{source}: {matched}; {problem}. Check that the file belongs to this model.')
    broken = '; '.join(f'{kind} {few_names(names)}' for kind, names in unusable(own, best).items())
    if broken:
        raise UserError(f'{source}: weights {broken}. Take a checkpoint from before its run diverged, or of full '
                        'precision.')
    return best, matched, problem


def start_weights(checkpoint: Mapping, model: nn.Module, source: str,
                  which: str | None = None) -> tuple[dict[str, Tensor], str, str]:
    """The weights that a new run starts from: without what another run has learnt of its teacher.

    That are the buffers of modules that say ``buffers_follow_teacher = True``: margins and statistics of the teacher's
    features, memories of its embeddings. The new run's teacher may be another.

    Args:
        checkpoint: What was read from the file.
        model: The model.
        source: Its path, for messages.
        which: See :func:`fit_weights`.

    Returns:
        What :func:`fit_weights` returns.

    Raises:
        UserError: See :func:`fit_weights`.
    """
    weights, matched, problem = fit_weights(checkpoint, model.state_dict(), source, which)
    left_out = [name for name in _following_teacher(model) if weights.pop(name, None) is not None]
    if left_out:
        matched += f', but what belongs to the teacher of its run starts anew ({few_names(left_out)})'
    return weights, matched, problem


def _following_teacher(model: nn.Module) -> Iterator[str]:
    for path, module in model.named_modules():
        if getattr(module, 'buffers_follow_teacher', False):
            yield from (f'{path}.{name}'.removeprefix('.') for name, _ in module.named_buffers(recurse=False))


def _shared(weights: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> list[str]:
    return [name for name, value in own.items() if name in weights and weights[name].shape == value.shape]


def load_any(filename: str | Path, map_location: object = None) -> dict:
    """Reads a checkpoint for MMEngine, safely and from wherever :func:`~mmkd.zoo.find_checkpoint` finds it.

    Args:
        filename: Path, URL or name of a model in the index; with ``#raw`` or ``#ema``, those weights alone.
        map_location: Not used; everything is read to the CPU.

    Returns:
        The checkpoint; of a family that only mmkd has, its converted weights.

    Raises:
        UserError: The file cannot be found or read, or holds no weights.
    """
    name, which = split_choice(str(filename))
    checkpoint = read_checkpoint(find_checkpoint(name))
    if not isinstance(checkpoint, dict):
        raise UserError(f'checkpoint {filename} expects a dict of tensors, got {type(checkpoint).__name__}. '
                        'Give a checkpoint with a state_dict.')
    remember_meta(str(filename), checkpoint)
    if isinstance(checkpoint.get('meta'), dict) and not is_trusted():
        checkpoint['meta'].pop('config', None)  # which MMEngine would run as Python when it resumes
    families = None if name in model_index() else OWN_FAMILIES
    weights, family = convert(plain(choose_weights(checkpoint, str(filename), which).tensors), families)
    return dict(state_dict=weights) if family or which else checkpoint
