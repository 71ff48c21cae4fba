"""The teacher: frozen, in eval mode, and invisible to everything that walks over the student."""
from collections.abc import Sequence

import torch
from mmengine.model import BaseModel
from torch import Tensor

from mmkd.utils import UserError

from .detectors import fake_samples, forward_mode
from .inputs import InputAdapter
from .taps import Tapped, Taps

DTYPES = {'fp32': torch.float32, 'fp16': torch.float16, 'bf16': torch.bfloat16}


class Teacher:
    """Runs the teacher on the student's batch and returns its taps, detached.

    It is not an ``nn.Module`` on purpose: so it is in no state dict, no optimizer, no DDP bucket,
    and ``model.train()``, weight initialisation and re-initialisation never reach it. ``deepcopy``
    (which EMA uses) returns the same object.

    Args:
        model: The teacher, its weights loaded.
        taps: Names of the taps to read.
        adapter: Brings the student's batch into the teacher's form.
        dtype: ``'bf16'`` or ``'fp16'`` runs the teacher under autocast; None follows the student.
        compile: Whether to compile the forward pass; a dict goes to ``torch.compile``. The first pass, the distiller's
            dry run on the CPU, is not: what is compiled begins with the first batch.

    Raises:
        UserError: A tap does not exist or the dtype is unknown.
    """

    def __init__(self,
                 model: BaseModel,
                 taps: Sequence[str],
                 adapter: InputAdapter,
                 dtype: str | None = None,
                 compile: bool | dict = False) -> None:
        if dtype is not None and dtype not in DTYPES:
            raise UserError(f'teacher expects dtype to be one of {", ".join(DTYPES)}, got {dtype!r}.')
        self.model = model.eval().requires_grad_(False)
        self.taps = Taps(model, taps)
        self.mode = forward_mode(model)
        self.adapter = adapter
        self.dtype = DTYPES.get(dtype)
        self.device = torch.device('cpu')
        self._has_run = False
        self._compiled = None
        if compile:
            self._compiled = torch.compile(self._run, **(compile if isinstance(compile, dict) else {}))

    def __deepcopy__(self, memo: dict) -> 'Teacher':
        return self

    @torch.no_grad()
    def __call__(self, inputs: Tensor, data_samples: list | None = None) -> Tapped:
        """Forwards one batch, as far as the taps need it.

        Args:
            inputs: The student's normalised images (N, 3, H, W), augmented and mixed already.
            data_samples: Their annotations, of which detectors need the sizes of the images.

        Returns:
            Tap name to tensor (or list of tensors), without gradient history.
        """
        inputs = self.adapt(inputs)
        if data_samples is None:
            data_samples = fake_samples(self.model, len(inputs), tuple(inputs.shape[-2:]))
        compiled = self._compiled if self._has_run else None
        _, tensors = self.taps.read(compiled or self._run, inputs, data_samples, self.mode, stop_early=compiled is None,
                                    compiled=compiled is not None)
        self._has_run = True
        return tensors

    @torch.no_grad()
    def predict(self, inputs: Tensor, data_samples: list | None = None) -> list:
        """The teacher's own predictions for the student's batch, as data samples."""
        return self._run(self.adapt(inputs), data_samples, 'predict')

    def adapt(self, inputs: Tensor) -> Tensor:
        """Brings the student's batch into the teacher's form, and the teacher to the batch's device."""
        if inputs.device != self.device:
            self._move(inputs.device)
        return self.adapter(inputs)

    def _run(self, inputs: Tensor, data_samples: list | None, mode: str) -> list | Tensor:
        if self.dtype is None:
            return self.model(inputs, data_samples, mode=mode)
        with torch.autocast(inputs.device.type, self.dtype, enabled=self.dtype != torch.float32):
            return self.model(inputs, data_samples, mode=mode)

    def _move(self, device: torch.device) -> None:
        self.model.to(device)
        self.adapter.to(device)
        self.device = device
