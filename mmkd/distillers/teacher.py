"""The teacher: frozen, in eval mode, and invisible to everything that walks over the student."""
from collections.abc import Sequence

import torch
from mmengine.model import BaseModel
from torch import Tensor

from mmkd.utils import UserError

from .inputs import InputAdapter
from .taps import Taps

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
        compile: Whether to compile the forward pass; a dict goes to ``torch.compile``.

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
        self.adapter = adapter
        self.dtype = DTYPES.get(dtype)
        self.device = torch.device('cpu')
        self._forward = self._run
        if compile:
            self._forward = torch.compile(self._run, **(compile if isinstance(compile, dict) else {}))

    def __deepcopy__(self, memo: dict) -> 'Teacher':
        return self

    @torch.no_grad()
    def __call__(self, inputs: Tensor) -> dict[str, Tensor | list[Tensor]]:
        """Forwards one batch.

        Args:
            inputs: The student's normalised images (N, 3, H, W), augmented and mixed already.

        Returns:
            Tap name to tensor (or list of tensors), without gradient history.
        """
        if inputs.device != self.device:
            self._move(inputs.device)
        self._forward(self.adapter(inputs))
        return self.taps.take()

    def _run(self, inputs: Tensor) -> None:
        if self.dtype is None:
            self.model(inputs, mode='tensor')
            return
        with torch.autocast(inputs.device.type, self.dtype, enabled=self.dtype != torch.float32):
            self.model(inputs, mode='tensor')

    def _move(self, device: torch.device) -> None:
        self.model.to(device)
        self.adapter.to(device)
        self.device = device
