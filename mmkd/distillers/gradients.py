"""Gradients of the student: whether every term gives one, how large each loss's is, and whether they can be finite."""
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, autocast, nn

from mmkd.utils import UserError

from .taps import Tapped
from .term import Term


def gradient_norms(losses: Mapping[str, Tensor],
                   parameters: Iterable[nn.Parameter],
                   scale: float = 1.0) -> dict[str, Tensor]:
    r"""Computes :math:`\|\partial L_i / \partial \theta\|_2` of several losses by themselves.

    The graph stays, so that the training step can go backward through it afterwards. No ``.grad`` is written, and
    no hook of a parameter runs, DDP's included.

    Args:
        losses: Name to scalar.
        parameters: :math:`\theta`; frozen ones are left out.
        scale: Factor of the losses on the way backward, which keeps small fp16 gradients from vanishing, as
            ``GradScaler`` does. The norms are divided by it.

    Returns:
        Name to scalar in fp32, without history: 0 for a loss that no parameter reaches, not finite where the scaled
        gradients overflow.
    """
    parameters = [parameter for parameter in parameters if parameter.requires_grad]
    return {name: _norm(loss, parameters, scale) for name, loss in losses.items()}


def _norm(loss: Tensor, parameters: list[nn.Parameter], scale: float) -> Tensor:
    if not loss.requires_grad or not parameters:
        return torch.zeros((), device=loss.device)
    with autocast(loss.device.type, enabled=False):
        gradients = torch.autograd.grad(loss, parameters, torch.full_like(loss, scale), retain_graph=True,
                                        allow_unused=True)
        norms = [torch.linalg.vector_norm(gradient, dtype=torch.float32) for gradient in gradients
                 if gradient is not None]
        return torch.stack(norms).norm() / scale if norms else torch.zeros((), device=loss.device)


def total(losses: Mapping[str, Tensor | list[Tensor]]) -> Tensor | None:
    """Adds up what MMEngine would: the means of all entries that have "loss" in their name; None if none has."""
    means = [item.mean() for name, value in losses.items() if 'loss' in name
             for item in ([value] if isinstance(value, Tensor) else value)]
    return sum(means[1:], means[0]) if means else None


class GradientMeter:
    """Measures gradient norms in the next forward pass when it is asked to, and does nothing otherwise.

    Attributes:
        requested: Whether the next forward pass is measured.
        norms: Name of each loss to its norm, of the last pass that was measured.
        problem: Why the last pass could not be measured, or an empty string.
    """

    def __init__(self) -> None:
        self.requested = False
        self.norms: dict[str, Tensor] = {}
        self.problem = ''
        self._scale = 1.0

    def request(self, scale: float = 1.0) -> None:
        """Asks for the next forward pass; see :func:`gradient_norms` for ``scale``."""
        self.requested, self.norms, self.problem, self._scale = True, {}, '', scale

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Keeps a request for the training step while other forward passes are run."""
        requested, self.requested = self.requested, False
        try:
            yield
        finally:
            self.requested = requested

    def measure(self, losses: Mapping[str, Tensor], parameters: Iterable[nn.Parameter]) -> None:
        """Answers a request. What PyTorch cannot do, reentrant checkpointing above all, is noted as the problem."""
        self.requested = False
        try:
            self.norms = gradient_norms(losses, parameters, self._scale)
        except RuntimeError as error:
            self.problem = ' '.join(str(error).split())


def check_fired(student: Tapped, teacher: Tapped, terms: Iterable[Term]) -> None:
    """Checks that the taps of terms have been read.

    Args:
        student: Tap name to tensor of the student.
        teacher: Tap name to tensor of the teacher.
        terms: The terms.

    Raises:
        UserError: A model has not run a module that is tapped.
    """
    for term in terms:
        for role, taps, tensors in (('student', term.student_taps, student), ('teacher', term.teacher_taps, teacher)):
            silent = [tap for tap in taps if tap not in tensors]
            if silent:
                raise UserError(f'term {term.name!r}: the {role} never runs {", ".join(silent)} in its forward pass. '
                                'Tap a module that it calls.')


def check_trained(terms: Iterable[Term], student: Tapped, detached: Collection[str]) -> None:
    """Checks that a gradient can reach the student from every term that will ever have a weight.

    Args:
        terms: The terms.
        student: What the student's taps have read in a pass with gradients.
        detached: Those taps that ran inside a part of the pass without gradients.

    Raises:
        UserError: A tap is in such a part, or none of a term's taps has a gradient.
    """
    for term in terms:
        if not term.weight.value:
            continue
        lost = [tap for tap in term.student_taps if tap in detached]
        if lost:
            raise UserError(
                f'term {term.name!r} expects student taps that train the student, but {", ".join(lost)} of it runs '
                'without gradients, below reentrant checkpointing or torch.no_grad. Tap the module around it, or '
                'switch checkpointing off (with_cp=False).')
        if not any(_has_gradient(student[tap]) for tap in term.student_taps):
            raise UserError(
                f'term {term.name!r} expects student taps that train the student, but no parameter before '
                f'{", ".join(term.student_taps)} of it is trained. Tap a later module, or set frozen_stages lower.')


def _has_gradient(value: Tensor | list) -> bool:
    return value.requires_grad if isinstance(value, Tensor) else any(_has_gradient(item) for item in value)


def tap_sums(tapped: Tapped) -> dict[str, Tensor]:
    """Sums each tap up in fp32: what is not finite anywhere has a sum that is not finite.

    Nothing is read from the device. Losses may hide a NaN (a relation loss leaves pairs without a direction out), so
    that their value does not tell.

    Args:
        tapped: Tap name to tensor, or to a list of tensors.

    Returns:
        Tap name to scalar; taps without floating-point tensors are left out.
    """
    sums = {name: [tensor.detach().sum(dtype=torch.float32) for tensor in _tensors(value)]
            for name, value in tapped.items()}
    return {name: sum(items[1:], items[0]) for name, items in sums.items() if items}


def _tensors(value: object) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        if value.is_floating_point():
            yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)
