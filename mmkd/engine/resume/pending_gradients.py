"""The gradients of an update that is not complete, of all processes, for the checkpoints that are written meanwhile."""
from collections.abc import Iterator, Mapping

import torch
from mmengine.dist import all_gather, get_rank, get_world_size
from mmengine.runner import Runner
from torch import Tensor, nn

from mmkd.engine.models import model_of

from .run_facts import wrappers_of

KEY = 'gradients'  # in a training checkpoint


def are_pending(runner: Runner) -> bool:
    """Whether the last iteration was not followed by an update."""
    return not all(wrapper.should_update() for wrapper in wrappers_of(runner))


def collect(runner: Runner) -> dict[str, Tensor]:
    """Collects the gradients of all processes, which have to call it together.

    Returns:
        The name of a parameter to its gradients, (processes, …), on the CPU and in the usual layout; empty in all
        processes but the first.
    """
    collected = {}
    for name, parameter in _trained(runner):
        gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        gradients = all_gather(gradient.contiguous())
        if get_rank() == 0:
            collected[name] = torch.stack([each.cpu() for each in gradients])
    return collected


def restore(runner: Runner, gradients: Mapping[str, Tensor]) -> int:
    """Gives each process the gradients that it had.

    Args:
        runner: The runner, with its loop, model and optimizer at the place of the checkpoint.
        gradients: What :func:`collect` returned; empty if the checkpoint has none.

    Returns:
        The number of iterations whose gradients are lost.
    """
    world = get_world_size()
    fits = bool(gradients) and isinstance(gradients, Mapping) and all(
        isinstance(gradients.get(name), Tensor) and gradients[name].shape == (world, *parameter.shape)
        for name, parameter in _trained(runner))
    if fits:
        for name, parameter in _trained(runner):
            parameter.grad = torch.empty_like(parameter).copy_(gradients[name][get_rank()])  # in its layout
    if fits or runner.iter >= runner.max_iters:
        return 0
    return max(wrapper.inner_count % wrapper._accumulative_counts for wrapper in wrappers_of(runner))


def _trained(runner: Runner) -> Iterator[tuple[str, nn.Parameter]]:
    model = model_of(runner)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            yield name, parameter
