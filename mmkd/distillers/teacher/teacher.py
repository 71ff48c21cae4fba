"""The teacher: frozen, in eval mode, and invisible to everything that walks over the student."""
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

from mmkd.layers.layout import use_channels_last
from mmkd.utils import UserError

from ..inputs import InputAdapter
from ..inputs.labels import Labels
from ..models import device_of, fake_samples, forward_mode, forward_of
from ..taps import Tapped, Taps, reads_classes
from .regions import at_regions, shares_regions

DTYPES = {'fp32': torch.float32, 'fp16': torch.float16, 'bf16': torch.bfloat16}


class Teacher:
    """Runs the teacher on the student's batch and returns its taps, detached.

    It is not an ``nn.Module`` on purpose: so it is in no state dict, no optimizer, no DDP bucket,
    and ``model.train()``, weight initialisation and re-initialisation never reach it. ``deepcopy``
    (which EMA uses) returns the same object.

    Its weights are read from their file when something wants them: the first batch, ``init_weights`` of the
    distiller, which every training calls, or whoever asks for :attr:`model`. To predict with the student nothing does,
    and the file need not be there.

    Args:
        model: The teacher.
        taps: Names of the taps to read.
        adapter: Brings the student's batch into the teacher's form.
        dtype: ``'bf16'`` or ``'fp16'`` runs the teacher under autocast; None follows the student.
        compile: Whether to compile the forward pass; a dict goes to ``torch.compile``. The first pass, the distiller's
            dry run on the CPU, is not: what is compiled begins with the first batch. Nor is a pass at given regions.
        load: Loads the model's weights; None if they are there.
        channels_last: Whether its convolutions have their weights in that layout, which its maps then follow.

    Raises:
        UserError: A tap does not exist or the dtype is unknown.
    """

    def __init__(self,
                 model: nn.Module,
                 taps: Sequence[str],
                 adapter: InputAdapter,
                 dtype: str | None = None,
                 compile: bool | dict = False,
                 load: Callable[[], object] | None = None,
                 channels_last: bool = False) -> None:
        if dtype is not None and dtype not in DTYPES:
            raise UserError(f'teacher expects dtype to be one of {", ".join(DTYPES)}, got {dtype!r}.')
        self._model = model.eval().requires_grad_(False)
        if channels_last:
            use_channels_last(model)
        self._load, self._error = load, ''
        self.taps = Taps(model, taps)
        self.shares_regions = shares_regions(model, self.taps)
        self.mode = forward_mode(model)
        self.adapter = adapter
        self.dtype = DTYPES.get(dtype)
        self.device = device_of(model)
        self.adapter.to(self.device)
        self._has_run = False
        self._compiled = None
        if compile:
            self._compiled = torch.compile(self._run, **(compile if isinstance(compile, dict) else {}))

    def __deepcopy__(self, memo: dict) -> 'Teacher':
        return self

    @property
    def model(self) -> nn.Module:
        """The teacher, its weights loaded."""
        self.load()
        return self._model

    @property
    def network(self) -> nn.Module:
        """The teacher, its weights loaded or not."""
        return self._model

    @property
    def reads_classes(self) -> bool:
        """Whether a tap reads scores of the teacher's classes, which then have to be the student's."""
        return any(reads_classes(self._model, location) for location in self.taps.locations.values())

    @property
    def independent(self) -> set[str]:
        """The taps that read scores of which each class has a sigmoid of its own."""
        return self.taps.independent

    def load(self) -> None:
        """Loads the weights, if that has not been done.

        Raises:
            UserError: The file cannot be read or belongs to another model.
        """
        if self._load is None:
            return
        if self._error:
            raise UserError(self._error)
        self._load()
        self._load = None
        self.adapter.to(self.device)  # which a checkpoint may have set
        self._model.eval().requires_grad_(False)

    @contextmanager
    def dry_run(self, with_weights: bool) -> Iterator[None]:
        """Runs the model inside a block with whatever weights it has.

        Args:
            with_weights: Whether to load them first. If that fails, the block runs nevertheless, and whoever wants the
                weights later gets the error.
        """
        try:
            if with_weights:
                self.load()
        except UserError as error:
            self._error = str(error)
        pending, self._load = self._load, None
        try:
            yield
        finally:
            self._load = pending

    @torch.no_grad()
    def __call__(self, inputs: Tensor, data_samples: Labels = None, regions: Tensor | None = None) -> Tapped:
        """Forwards one batch, as far as the taps need it.

        Args:
            inputs: The student's normalised images (N, 3, H, W), augmented and mixed already.
            data_samples: Their annotations, of which detectors need the sizes of the images.
            regions: What the student's box head looks at; the teacher's does too, if a tap is in it.

        Returns:
            Tap name to tensor (or list of tensors), without gradient history.
        """
        self.load()
        if self._model.training:  # whoever has built a module may have called its train()
            self._model.eval()
        size, inputs = inputs.shape[2:], self.adapt(inputs, data_samples)
        regions = regions if self.shares_regions else None
        if data_samples is None or isinstance(data_samples, Tensor):
            data_samples = fake_samples(self._model, len(inputs), tuple(inputs.shape[-2:]))
        compiled = self._compiled if self._has_run and regions is None else None
        scale = tuple(own / theirs for own, theirs in zip(inputs.shape[2:], size, strict=True))
        with at_regions(self._model, regions, scale):
            _, tensors = self.taps.read(compiled or self._run, inputs, data_samples, self.mode,
                                        stop_early=compiled is None, compiled=compiled is not None)
        self._has_run = True
        return tensors

    @torch.no_grad()
    def predict(self, inputs: Tensor, data_samples: list | None = None, mode: str = 'predict') -> list | Tensor:
        """The teacher's own predictions for the student's batch, as data samples; or what another mode returns."""
        self.load()
        return self._run(self.adapt(inputs, data_samples), data_samples, mode)

    def close(self) -> None:
        """Takes the recorders of all taps off the model."""
        self.taps.close()

    def adapt(self, inputs: Tensor, data_samples: Labels = None) -> Tensor:
        """Brings the student's batch into the teacher's form, and the teacher to the batch's device."""
        if inputs.device != self.device:
            self._move(inputs.device)
        return self.adapter(inputs, data_samples)

    def _run(self, inputs: Tensor, data_samples: list | None, mode: str) -> list | Tensor:
        if self.dtype is None or inputs.is_meta:  # autocast does not know of the meta device
            return forward_of(self._model)(inputs, data_samples, mode=mode)
        with torch.autocast(inputs.device.type, self.dtype, enabled=self.dtype != torch.float32):
            return forward_of(self._model)(inputs, data_samples, mode=mode)

    def _move(self, device: torch.device) -> None:
        self._model.to(device)
        self.adapter.to(device)
        self.device = device


class Teachers(dict[str, Teacher]):
    """The teachers of a distiller by name; ``''`` is the only one, as it was before that one had a name."""

    def __missing__(self, name: str) -> Teacher:
        """Finds the only teacher under its old name.

        Raises:
            KeyError: There is no such teacher.
        """
        if name or len(self) != 1:
            raise KeyError(name)
        return next(iter(self.values()))


@contextmanager
def dry_runs(teachers: Iterable[Teacher], with_weights: bool) -> Iterator[None]:
    """:meth:`Teacher.dry_run` of several teachers."""
    with ExitStack() as stack:
        for teacher in teachers:
            stack.enter_context(teacher.dry_run(with_weights))
        yield
