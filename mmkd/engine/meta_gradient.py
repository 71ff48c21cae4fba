"""The gradient of a held-out loss through one step of training."""
from collections.abc import Mapping
from contextlib import nullcontext

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn
from torch.func import functional_call

from mmkd.distillers.inputs import samples_for
from mmkd.distillers.models import forward_of
from mmkd.utils.kept_state import unchanged_state
from mmkd.utils.randomness import unchanged_generators


def meta_gradient(model: BaseModel, alpha_name: str, training: dict, held_out: dict, lr: float,
                  radius: float = 1e-2) -> Tensor:
    r"""The gradient of the held-out loss after a virtual step, with respect to ``alpha``.

    .. math:: -\xi\, \nabla_\alpha \big\langle \nabla_\theta L_{train}(\theta, \alpha), v \big\rangle \approx
        -\xi\, \frac{\nabla_\alpha L_{train}(\theta + \epsilon v, \alpha)
        - \nabla_\alpha L_{train}(\theta - \epsilon v, \alpha)}{2\epsilon},
        \quad v = \nabla_{\theta'} L_{val}(\theta'), \quad \epsilon = r / \|v\|

    Only the student takes the virtual step: the held-out loss does not depend on the transforms. No parameter, buffer
    or random state changes, and nothing else that a term keeps.

    Args:
        model: The distiller, with its ``student``.
        alpha_name: Dotted name of the buffer.
        training: Preprocessed batch of which the distiller takes its loss.
        held_out: Preprocessed batch of which the student takes its own loss.
        lr: :math:`\xi`.
        radius: r.

    Returns:
        A tensor of the shape of ``alpha``.
    """
    meter = getattr(model, 'gradients', None)  # its request is for the training step
    with torch.enable_grad(), meter.suspended() if meter is not None else nullcontext():
        alpha = model.get_buffer(alpha_name).detach().clone().requires_grad_()
        student = {name: p.detach().clone().requires_grad_() for name, p in model.student.named_parameters()
                   if p.requires_grad}

        def training_loss(weights: dict[str, Tensor]) -> Tensor:
            return model.parse_losses(_evaluate(model, _of_student(weights) | {alpha_name: alpha}, training))[0]

        def own_loss(weights: dict[str, Tensor]) -> Tensor:
            return model.parse_losses(_evaluate(_Alone(model.student), _of_student(weights), held_out))[0]

        slope = _gradients(training_loss(student), student)
        stepped = {name: (value - lr * slope[name]).detach().requires_grad_() for name, value in student.items()}
        direction = _gradients(own_loss(stepped), stepped)
        norm = torch.stack([value.norm() for value in direction.values()]).norm()
        epsilon = radius / norm.clamp_min(torch.finfo(norm.dtype).tiny)
        ahead, behind = (
            torch.autograd.grad(training_loss({name: value.detach() + sign * epsilon * direction[name]
                                               for name, value in student.items()}), alpha)[0] for sign in (1, -1))
    return -lr * (ahead - behind) / (2 * epsilon)


class _Alone(nn.Module):
    """A student, run as the distiller runs it, whatever its own signature is."""

    def __init__(self, student: nn.Module) -> None:
        super().__init__()
        self.student = student

    def forward(self, mode: str, **data: object) -> dict:
        if 'data_samples' in data:
            data['data_samples'] = samples_for(self.student, data['data_samples'])
        return forward_of(self.student)(**data, mode=mode)


def _of_student(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f'student.{name}': value for name, value in weights.items()}


def _evaluate(model: nn.Module, tensors: dict[str, Tensor], data: dict) -> dict:
    """The losses with some parameters and buffers replaced; whatever the model writes to goes to copies."""
    state = {name: p.detach() if p.requires_grad else p.detach().clone() for name, p in model.named_parameters()}
    state |= {name: buffer.clone() for name, buffer in model.named_buffers()}
    with unchanged_generators(), unchanged_state(*getattr(model, 'terms', {}).values()):  # for what is no tensor
        return functional_call(model, state | tensors, (), data | dict(mode='loss'))


def _gradients(loss: Tensor, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    values = torch.autograd.grad(loss, list(weights.values()), allow_unused=True)
    return {name: torch.zeros_like(weight) if value is None else value
            for (name, weight), value in zip(weights.items(), values, strict=True)}
