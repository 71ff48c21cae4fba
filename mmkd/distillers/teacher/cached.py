"""A teacher whose answers were kept: it reads them off the samples, and runs no model."""
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mmkd.losses.served import Kept
from mmkd.records import Reader, RecordFormat, canonical, decode, weights_hash
from mmkd.records.coding import pooled
from mmkd.records.formats import ALL, LOGITS
from mmkd.records.hashes import first_difference
from mmkd.utils import UserError

from ..inputs.images import InputAdapter
from ..inputs.labels import Labels
from ..taps import Tapped
from .teacher import Teacher

ANSWER, VIEW, CHECKSUM = 'teacher_answer', 'view', 'view_checksum'  # what a replayed sample carries


def kept_of(teachers: Mapping[str, Any], taps: Mapping[str, tuple[str, str]]) -> dict[str, Kept]:
    """What was kept of the taps of those teachers that are cached.

    Args:
        teachers: The teachers by name.
        taps: A tap as a recipe writes it, to the name of its teacher and the tap in that.
    """
    return {tap: teachers[name].kept(own) for tap, (name, own) in taps.items()
            if isinstance(teachers[name], CachedTeacher)}


def without_model(teachers: Mapping[str, Any]) -> list[str]:
    """The roles of those teachers that answer from a cache alone, and for no other images."""
    return [teacher.role for teacher in teachers.values()
            if isinstance(teacher, CachedTeacher) and not teacher.has_model]


def form_of_input(adapter: InputAdapter) -> dict:
    """How a teacher's input differs from the student's batch, as the header of a cache has it."""
    scale, shift = (None if value is None else [round(float(each), 4) for each in value.flatten()]
                    for value in (adapter.scale, adapter.shift))
    return dict(size=canonical(adapter.size), flip=adapter.flip, normalisation=dict(scale=scale, shift=shift))


class CachedAnswers:
    """Reads what each of several caches holds of a view.

    Args:
        readers: Name of the teacher to the reader of its cache.
    """

    def __init__(self, readers: Mapping[str, Reader]) -> None:
        self.readers = dict(readers)

    def row(self, epoch: int, index: int) -> dict[str, np.ndarray]:
        """Name of the teacher to its row of a view.

        Args:
            epoch: The epoch of the view.
            index: The sample's number in the training set.
        """
        return {name: reader.row(epoch, index) for name, reader in self.readers.items()}


class CachedTeacher:
    """Stands where a :class:`Teacher` stands, and answers from its cache.

    The answers ride on the samples, where the replayed data set has put them. The model itself, if its own keys stand
    beside ``cache``, is built for who asks for it: the comparison with the header, the validation before training, and
    losses that call a part of the teacher. Its memory is given back after that validation.

    Args:
        name: Its name in the recipe.
        role: What messages call it.
        reader: Reads its cache.
        taps: Names of the taps to read.
        build: Builds the model; None where the recipe does not say which it is.

    Raises:
        UserError: The cache does not hold a tap.
    """

    def __init__(self, name: str, role: str, reader: Reader, taps: Sequence[str],
                 build: Callable[[], Teacher] | None = None) -> None:
        self.name, self.role, self.reader = name, role, reader
        self.taps = tuple(dict.fromkeys(taps))
        self._build, self._live = build, None
        self._dry, self._asks_model, self._is_lent, self._is_checked = False, False, False, False
        there = ([LOGITS] if self.format.classes else []) + list(self.format.taps)
        for tap in self.taps:
            if tap not in there:
                flag = f'--topk {ALL}' if tap == LOGITS else f'--tap {tap}'
                raise UserError(f'the {role} expects its answers at {tap} in {reader.path}, which has '
                                f'{", ".join(there)}. Build the cache with {flag}.')

    shares_regions = False  # a cache of answers at the student's regions is not built
    independent: frozenset[str] = frozenset()  # it is not kept what the scores are; the student's tell

    def __deepcopy__(self, memo: dict) -> 'CachedTeacher':
        return self

    @property
    def format(self) -> RecordFormat:
        """What a record of its cache holds."""
        return self.reader.header.format

    def kept(self, tap: str) -> Kept:
        """What was kept of a tap."""
        form = self.format.taps.get(tap)
        if form is None:  # the scores of a classifier's classes
            return Kept(self.format.kept == self.format.classes,
                        full_precision=self.format.topk != ALL or self.format.dtype == 'fp32')
        return Kept(pooled=form.pooled, full_precision=form.dtype == 'fp32')

    @property
    def reads_classes(self) -> bool:
        """Whether a tap reads scores of the teacher's classes."""
        return LOGITS in self.taps

    @property
    def has_model(self) -> bool:
        """Whether the recipe says which model it is."""
        return self._build is not None

    @property
    def live(self) -> Teacher:
        """The teacher itself, built when it is first asked for.

        Raises:
            UserError: The recipe does not say which model it is.
        """
        if self._build is None:
            raise UserError(f'the {self.role} expects that nothing but its answers is asked for, since its recipe has '
                            f'only cache={str(self.reader.path)!r}. Write its config and checkpoint beside the cache.')
        if self._live is None:
            self._live = self._build()
        self._is_lent |= self._dry
        return self._live

    @property
    def model(self) -> nn.Module:
        """The teacher's model, its weights loaded."""
        return self.live.model

    def load(self) -> None:
        """Compares the model with that of the cache, once, if the recipe says which it is.

        Raises:
            UserError: The cache is of other weights, or of another form of the input.
        """
        if self._is_checked or self._build is None:
            return
        expected = self.reader.header.teacher.get('weights')
        if expected is not None and expected != weights_hash(self.model.state_dict()):
            raise UserError(f'the {self.role} expects the weights that {self.reader.path} was built with, got others. '
                            'Give the checkpoint of then, or build a cache of the present one.')
        self._compare_settings()
        self._is_checked = True

    def _compare_settings(self) -> None:
        self.live.load()  # the checkpoint may state the form
        ours = form_of_input(self.adapter)
        found = first_difference(self.reader.header.teacher.get('adapter', ours), ours, 'the form of its input')
        if found:
            raise UserError(f'the {self.role} expects its input as when {self.reader.path} was built, but {found}. '
                            'Set it as it was then, or build a cache of the present one.')

    def release(self) -> None:
        """Gives the memory of the model back, unless a loss holds a part of it."""
        if not self._is_lent:
            self._live = None

    @property
    def adapter(self) -> InputAdapter:
        """What brings the student's batch into the teacher's form."""
        return self.live.adapter

    @property
    def dtype(self) -> torch.dtype | None:
        """The type that the model runs in; None follows the student."""
        return self.live.dtype

    def adapt(self, inputs: Tensor, data_samples: Labels = None) -> Tensor:
        """Brings the student's batch into the teacher's form."""
        return self.live.adapt(inputs, data_samples)

    def predict(self, inputs: Tensor, data_samples: list | None = None, mode: str = 'predict') -> list | Tensor:
        """The model's own predictions for the student's batch, as data samples; or what another mode returns."""
        return self.live.predict(inputs, data_samples, mode)

    def close(self) -> None:
        """Takes the recorders of all taps off the model."""
        if self._live is not None:
            self._live.close()

    @contextmanager
    def dry_run(self, with_weights: bool) -> Iterator[None]:
        """Answers inside a block for images of which nothing was kept.

        Args:
            with_weights: Whether the model answers, if the recipe names one; else the answers have no meaning, but the
                shapes of those in the cache.
        """
        self._dry, self._asks_model = True, with_weights and self.has_model
        try:
            with self.live.dry_run(True) if self._asks_model else nullcontext():
                yield
        finally:
            self._dry = self._asks_model = False

    def __call__(self, inputs: Tensor, data_samples: Labels = None, regions: Tensor | None = None) -> Tapped:
        """Reads the answers that the samples of a batch carry.

        Without gradients, as in a validation, the model itself answers for samples without any, if the recipe names it.

        Args:
            inputs: The batch (N, C, H, W).
            data_samples: Its samples.
            regions: What the student's box head looks at; no kept answer depends on it.

        Returns:
            Tap name to tensor, without gradient history.

        Raises:
            UserError: Samples carry no answers, or a view is not the one that the teacher has answered for.
        """
        if self._dry:
            return self._live_answers(inputs, data_samples) if self._asks_model else self._fake(inputs)
        samples = data_samples if isinstance(data_samples, Sequence) else ()
        found = [sample.get(ANSWER) for sample in samples]
        if not any(found) and self.has_model and not torch.is_grad_enabled():
            return self._live_answers(inputs, data_samples)
        if len(found) != len(inputs) or not all(found):
            raise UserError(f'the {self.role} expects samples with its kept answers, got {sum(map(bool, found))} of '
                            f'{len(inputs)} that have some. Train by mmkd train or mmkd.engine.training.train_config, '
                            'which read them from the cache.')
        rows = self.format.rows([row[self.name] for row in found])
        self._compare_views(samples, rows['checksum'])
        if self._is_lent and self._live is not None and self._live.device != inputs.device:
            self._live.adapt(inputs[:1])  # brings the part that a loss holds to the batch's device
        answers = decode(rows, self.format)
        return Tapped({tap: answers[tap].to(inputs.device, non_blocking=True) for tap in self.taps})

    def _compare_views(self, samples: Sequence[Any], checksums: np.ndarray) -> None:
        for sample, expected in zip(samples, checksums, strict=True):
            checksum = sample.get(CHECKSUM)
            if checksum is not None and int(checksum) != int(expected):
                epoch, index = sample.get(VIEW)
                raise UserError(
                    f'the {self.role} expects the views that it has answered for, got another one of sample {index} '
                    f'({sample.get("img_path") or "without a file"}) in epoch {epoch}. Find the transform that draws '
                    f'from a generator of its own, or the changed image, by mmkd cache check {self.reader.path}.')

    def _live_answers(self, inputs: Tensor, data_samples: Labels) -> Tapped:
        return Tapped({tap: pooled(value) if tap in self.format.taps and self.format.taps[tap].pooled else value
                       for tap, value in self.live(inputs, data_samples).items()})

    def _fake(self, inputs: Tensor) -> Tapped:
        blank = decode(np.zeros(len(inputs), self.format.record), self.format)
        generator = torch.Generator().manual_seed(0)  # the terms draw next, and the same as without a cache
        return Tapped({tap: torch.rand(blank[tap].shape, generator=generator).to(inputs.device) for tap in self.taps})
