"""The gradient of a held-out loss through one step of training."""
from contextlib import nullcontext

import torch
from mmengine.model import BaseModel
from torch import Tensor
from torch.func import functional_call

from mmkd.utils.randomness import unchanged_generators


def meta_gradient(model: BaseModel, alpha_name: str, training: dict, held_out: dict, lr: float,
                  radius: float = 1e-2) -> Tensor:
    r"""The gradient of the held-out loss after a virtual step, with respect to ``alpha``.

    .. math:: -\xi\, \nabla_\alpha \big\langle \nabla_\theta L_{train}(\theta, \alpha), v \big\rangle \approx
        -\xi\, \frac{\nabla_\alpha L_{train}(\theta + \epsilon v, \alpha)
        - \nabla_\alpha L_{train}(\theta - \epsilon v, \alpha)}{2\epsilon},
        \quad v = \nabla_{\theta'} L_{val}(\theta'), \quad \epsilon = r / \|v\|

    Only the student takes the virtual step: the held-out loss does not depend on the transforms. No parameter,
    buffer or random state changes.

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
            return _evaluate(model, {f'student.{name}': value for name, value in weights.items()} | {alpha_name: alpha},
                             training)

        slope = _gradients(training_loss(student), student)
        stepped = {name: (value - lr * slope[name]).detach().requires_grad_() for name, value in student.items()}
        direction = _gradients(_evaluate(model.student, stepped, held_out), stepped)
        norm = torch.stack([value.norm() for value in direction.values()]).norm()
        epsilon = radius / norm.clamp_min(torch.finfo(norm.dtype).tiny)
        ahead, behind = (
            torch.autograd.grad(training_loss({name: value.detach() + sign * epsilon * direction[name]
                                               for name, value in student.items()}), alpha)[0] for sign in (1, -1))
    return -lr * (ahead - behind) / (2 * epsilon)


def _evaluate(model: BaseModel, tensors: dict[str, Tensor], data: dict) -> Tensor:
    """The loss with some parameters and buffers replaced; whatever the model writes to goes to copies."""
    state = {name: p.detach() if p.requires_grad else p.detach().clone() for name, p in model.named_parameters()}
    state |= {name: buffer.clone() for name, buffer in model.named_buffers()}
    with unchanged_generators():
        losses = functional_call(model, state | tensors, (), data | dict(mode='loss'))
    return model.parse_losses(losses)[0]


def _gradients(loss: Tensor, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    values = torch.autograd.grad(loss, list(weights.values()), allow_unused=True)
    return {name: torch.zeros_like(weight) if value is None else value
            for (name, weight), value in zip(weights.items(), values, strict=True)}
