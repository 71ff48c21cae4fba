"""Taps: the places in a model where tensors are read."""
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from mmkd.utils import UserError, nearest

from .location import Location
from .locations import named_locations, scores_are_independent
from .plain import logits_in
from .readings import Reading


class Tapped(dict[str, Tensor | list[Tensor]]):
    """Tap name to what it has read. To ask for one that the forward pass did not reach is an error."""

    def __missing__(self, name: str) -> None:
        """Names the tap.

        Raises:
            UserError: Always.
        """
        raise UserError(f'the tap {name!r} expects its module to run in every forward pass, but it did not run in this '
                        'one. Tap a module that the model always calls.')


class Taps:
    """Reads named tensors from the forward passes of one model.

    The names are resolved once, and their modules anew where others have taken their places (norms that are converted
    to synchronised ones, say). A name is one of :func:`named_locations` or a dotted module path, which reads the
    module's output as it is. ``@input`` after it reads the module's input instead, and ``@all`` the list of all its
    runs in the forward pass, in their order. Of a module that runs several times (the ReLU of a ResNet's block), a tap
    without it reads the last run, and so does ``@input``, in every model and however early the pass may end.

    What is read is what the module returned (or took): where the model changes it in place later, a copy is kept. The
    first pass of a kind (its mode, the size of its images, with gradients or without) finds out where that is, and how
    often each module runs; it goes to its end and copies everything. The images are treated likewise.

    A copy of the model (an EMA, say) gets taps of its own with ``deepcopy`` of the object that holds both.

    Attributes:
        detached: Taps that the last pass has read inside a part without gradients, though it had them otherwise:
            below reentrant checkpointing, or ``torch.no_grad``.

    Args:
        model: An mmpretrain classifier, mmdet detector, mmseg segmentor, or any module.
        names: ``logits``, ``pre_logits``, ``stage1`` …, or dotted module paths.

    Raises:
        UserError: A tap does not exist; the message lists the valid ones.
    """

    def __init__(self, model: nn.Module, names: Sequence[str]) -> None:
        self.names = list(dict.fromkeys(names))
        self.locations = {name: locate(model, name) for name in self.names}
        self._model = model
        self.detached: list[str] = []
        self._reading: Reading | None = None
        self._runs: dict[Hashable, dict[str, int]] = {}
        self._changed: tuple[str, ...] = ()
        self._image_size = (1, 1)
        self._attached: dict[str, tuple[nn.Module, RemovableHandle]] = {}
        self._attach()

    def _attach(self) -> None:
        """Hooks the recorders to the modules that are at the taps' places now."""
        for name, location in self.locations.items():
            module, (old, handle) = _module_at(self._model, name, location), self._attached.get(name, (None, None))
            if module is old and handle.id in (handle.hooks_dict_ref() or ()):
                continue
            if handle is not None:
                handle.remove()
            recorder = _Recorder(self, name, location)
            if location.reads_input:
                handle = module.register_forward_pre_hook(recorder, with_kwargs=True)
            else:
                handle = module.register_forward_hook(recorder)
            self._attached[name] = module, handle

    @property
    def independent(self) -> set[str]:
        """The taps that read scores of which each class has a sigmoid of its own."""
        return {name for name, location in self.locations.items() if scores_are_independent(self._model, location)}

    def close(self) -> None:
        """Takes the recorders off the model."""
        for _, handle in self._attached.values():
            handle.remove()
        self._attached.clear()

    def read(self, forward: Callable[..., Any], inputs: Tensor, *args: Any, stop_early: bool = False,
             compiled: bool = False, **kwargs: Any) -> tuple[Any, Tapped]:
        """Runs a forward pass of the model and collects what its taps see.

        Args:
            forward: The model, or a function that runs it once.
            inputs: Images (N, C, H, W), the first argument of ``forward``.
            *args: Its further arguments.
            stop_early: Whether to end the pass as soon as every tap has been read for the last time.
            compiled: Whether ``forward`` is compiled: it relies on what other passes have found.
            **kwargs: Its keyword arguments.

        Returns:
            What ``forward`` returned (None where it was ended early), and tap name to tensor or list of tensors.
            A tap that the pass did not reach is missing.

        Raises:
            UserError: A tap's module has been taken out of the model, or the model changes a tensor in place that it
                has left alone in a pass of the same kind.
        """
        self._attach()
        kind = self._model.training, *_kind(inputs, args, kwargs)
        known, compiled = self._runs.get(kind), compiled or torch.compiler.is_compiling()
        whole = not stop_early or known is None or len(known) < len(self.names)
        self._image_size = tuple(inputs.shape[-2:])
        self._reading = reading = Reading(self._changed if known is not None or compiled else None,
                                          None if whole else known, watched=not compiled)
        try:
            outputs = forward(reading.input_for_model(_IMAGES, inputs), *args, **kwargs)
        except _EverythingReadError:
            outputs = None
        except Exception:
            # What comes after the last tap is not needed, and need not run here (decoding of fake images, say).
            if not stop_early or known is not None or len(reading.runs) < len(self.names):
                raise
            outputs = None
        finally:
            self._reading = None
        self._learn(kind, reading, compiled)
        return outputs, Tapped(reading.tensors)

    def _learn(self, kind: Hashable, reading: Reading, compiled: bool) -> None:
        """Remembers what the first pass of a kind has shown, and checks that the later ones are like it."""
        self.detached = reading.detached
        changed = reading.changed()
        if kind in self._runs:
            if changed:
                raise UserError('taps expect that the model changes a tensor in place always or never, got a change in '
                                f'this forward pass alone: {", ".join(sorted(changed))}. Tap the module around it, or '
                                'the @input of the next one.')
        elif not compiled and not torch.is_inference_mode_enabled():
            self._runs[kind] = reading.runs
            self._changed = tuple(sorted({*self._changed, *changed}))

    def record(self, name: str, location: Location, value: object) -> None:
        """Keeps what a module took or gave, if a pass is being read."""
        reading = self._reading
        if reading is None:
            return
        if location.is_logits:
            value = logits_in(self._model, value)
        value = reading.snapshot(name, _only_tensors(value if location.item is None else value[location.item]))
        if location.as_map and isinstance(value, Tensor):
            value = _as_map(value, location, self._image_size)
        reading.add(name, value, location.every_run)
        if reading.is_over():
            raise _EverythingReadError


_IMAGES = 'the images'


def _kind(inputs: Tensor, args: Sequence[Any], kwargs: dict[str, Any]) -> Hashable:
    """What passes have in common in which the same modules run equally often: size, mode, and whether they train."""
    modes = tuple(value for value in (*args, *kwargs.values()) if isinstance(value, str))
    return tuple(inputs.shape[1:]), modes, torch.is_grad_enabled(), torch.is_inference_mode_enabled()


class _EverythingReadError(Exception):
    """Ends a forward pass of which all that is needed has been read."""


class _Recorder:
    """A forward hook that hands a tensor on (an object, so that deepcopy follows it)."""

    def __init__(self, taps: Taps, name: str, location: Location) -> None:
        self.taps = taps
        self.name = name
        self.location = location

    def __call__(self, module: nn.Module, args: tuple, last: object) -> None:
        """``last`` is what the module returned or, before it runs, its keyword arguments."""
        if self.location.reads_input and any(isinstance(value, Tensor) for value in args):
            last = args
        self.taps.record(self.name, self.location, last)


def _module_at(model: nn.Module, name: str, location: Location) -> nn.Module:
    try:
        return model.get_submodule(location.module)
    except AttributeError as error:
        raise UserError(f'the tap {name!r} expects the {type(model).__name__} to keep its module {location.module}, '
                        f'but it is gone ({error}). Build the model anew after changing its modules.') from error


def locate(model: nn.Module, name: str) -> Location:
    """Resolves the name of a tap.

    Raises:
        UserError: There is no such tap; the message lists the valid ones.
    """
    path, _, option = name.partition('@')
    vocabulary, modules = named_locations(model), dict(model.named_modules())
    location = vocabulary.get(path, Location(path))
    if not path or location.module not in modules:
        raise UserError(f'{type(model).__name__} has no tap {name!r}. {_suggestions(path, vocabulary, modules)}')
    if option not in ('', 'input', 'all'):
        raise UserError(f'a tap expects @input or @all after its name, got {name!r}.')
    if option == 'input':
        return Location(location.module, reads_input=True)
    return replace(location, every_run=option == 'all')


def _only_tensors(value: object) -> Tensor | list[Tensor]:
    """Unpacks ``(tensor,)``, and ``(tokens, (H, W))`` as window transformers return it; of a dict, its values."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        tensors = [item for item in value if isinstance(item, Tensor)]
        return tensors[0] if len(tensors) == 1 else tensors
    return value


def _as_map(value: Tensor, location: Location, image: tuple[int, int]) -> Tensor:
    if value.dim() == 4:
        return value.permute(0, 3, 1, 2) if location.channels_last else value
    if value.dim() != 3:
        return value
    tokens = value[:, location.prefix_tokens:]  # (N, H·W, C)
    return tokens.transpose(1, 2).unflatten(2, token_grid(tokens.shape[1], image))


def token_grid(tokens: int, image: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of the tokens of an image.

    Args:
        tokens: Their number, class tokens left out.
        image: Height and width of the image.

    Raises:
        UserError: The tokens fill no rectangle of about the image's proportions.
    """
    rows = max(round(math.sqrt(tokens * image[0] / image[1])), 1)
    if tokens % rows:
        raise UserError(f'a stage tap expects tokens that fill a rectangle like the image of {image[0]}×{image[1]}, '
                        f'got {tokens}. Tap the block itself by its dotted path.')
    return rows, tokens // rows


def _suggestions(name: str, vocabulary: dict[str, Location], modules: dict[str, nn.Module]) -> str:
    if '.' in name:
        parent = name.rpartition('.')[0]
        siblings = [path for path in modules if path.rpartition('.')[0] == parent]
        return nearest(name, [*vocabulary, *(siblings or modules)])
    children = list(dict.fromkeys(path.partition('.')[0] for path in modules if path))
    if 'backbone' in children or not children:
        return f'{nearest(name, vocabulary)} A dotted module path, such as "backbone.stages.0", is valid too.'
    return f'{nearest(name, vocabulary)} So is every dotted path of a module: {", ".join(children[:20])}, and below.'
