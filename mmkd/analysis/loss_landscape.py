"""Loss landscapes: the loss on a line or a plane through the weights of a model."""
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmkd.utils import UserError

EPSILON = 1e-10  # of the authors' code


@dataclass(frozen=True)
class Landscape:
    """Losses on a grid.

    Args:
        steps: Coordinates along each direction, the same for both.
        losses: (P,) of a line, or (P, P) of a plane: ``losses[i, j]`` is at ``steps[i]`` along the first direction and
            ``steps[j]`` along the second.
        seconds: What all points of this process took, moving the weights included.
        evaluating: What the evaluations themselves took of that.
    """
    steps: np.ndarray
    losses: np.ndarray
    seconds: float
    evaluating: float

    @property
    def centre(self) -> float:
        """The loss at the weights themselves."""
        return float(self.losses[(len(self.steps) // 2, ) * self.losses.ndim])


def random_direction(model: nn.Module, generator: torch.Generator) -> dict[str, Tensor]:
    r"""A Gaussian direction in the space of the weights, with the norm of each filter.

    .. math:: d_{i} \leftarrow \frac{d_i}{\lVert d_i \rVert + 10^{-10}} \lVert w_i \rVert

    for each slice i along the first axis of each weight; biases and the parameters of norms, which have one dimension,
    stay where they are.

    Source: Li, Xu, Taylor, Studer and Goldstein, Visualizing the Loss Landscape of Neural Nets, 2018, arXiv 1712.09913,
    Sec. 4; ``net_plotter.py`` of their code with ``--xnorm filter --xignore biasbn``.
    Differs from the authors' code: nothing.

    Args:
        model: The model; a weight that it has twice moves once.
        generator: Of the CPU, so that the direction is the same on every device.

    Returns:
        Parameter name to direction.
    """
    directions = {}
    for name, weight in model.named_parameters():
        if weight.dim() <= 1:
            directions[name] = torch.zeros_like(weight)
            continue
        drawn = torch.randn(weight.shape, generator=generator, dtype=torch.float32).to(weight)
        lengths, goal = (_slice_norms(tensor.detach()) for tensor in (drawn, weight))
        directions[name] = drawn * (goal / (lengths + EPSILON))
    return directions


def grid_steps(points: int, extent: float = 1.) -> np.ndarray:
    """Coordinates from ``-extent`` to ``extent`` with 0 in the middle.

    Raises:
        UserError: The number is even, so that nothing is in the middle, or a number is out of range.
    """
    if points < 3 or not points % 2:
        raise UserError(f'--points expects an odd number from 3 on, so that the weights themselves are in the middle, '
                        f'got {points}. Give {max(points + 1, 3)}.')
    if not 0 < extent < float('inf'):
        raise UserError(f'--extent expects a positive number, got {extent}. The papers draw from -1 to 1.')
    half = np.linspace(0, extent, points // 2 + 1)
    return np.concatenate([-half[:0:-1], half])


@contextmanager
def weights_restored(model: nn.Module) -> Iterator[dict[str, Tensor]]:
    """Lets the weights and buffers of a model be changed, and puts back every bit of them whatever happens.

    Yields:
        Parameter name to a copy of its value.
    """
    kept = {name: tensor.detach().clone() for name, tensor in _state(model)}
    modes = {module: module.training for module in model.modules()}
    momenta = {module: module.momentum for module in model.modules() if isinstance(module, _BatchNorm)}
    try:
        yield {name: kept[name] for name, _ in model.named_parameters()}
    finally:
        with torch.no_grad():
            for name, tensor in _state(model):
                tensor.copy_(kept[name])
        for module, mode in modes.items():
            module.training = mode
        for module, momentum in momenta.items():
            module.momentum = momentum


class Mover:
    """Sets the weights of a model to points of a grid, each computed anew from the middle.

    Args:
        model: The model.
        weights: Those in the middle.
        directions: The directions.
    """

    def __init__(self, model: nn.Module, weights: Mapping[str, Tensor], directions: Sequence[Mapping[str, Tensor]]
                 ) -> None:
        moving: dict[str, Tensor] = {name: parameter for name, parameter in model.named_parameters()
                  if any(direction[name].any() for direction in directions)}
        self._parameters = list(moving.values())
        self._middle = [weights[name] for name in moving]
        self._directions = [[direction[name] for name in moving] for direction in directions]

    @torch.no_grad()
    def __call__(self, steps: Sequence[float]) -> None:
        """Moves the weights.

        Args:
            steps: How far along each direction; zeros leave every bit as in the middle.
        """
        torch._foreach_copy_(self._parameters, self._middle)  # in one call: small networks take a tenth longer else
        for direction, step in zip(self._directions, steps, strict=True):
            if step:
                torch._foreach_add_(self._parameters, direction, alpha=float(step))


def recompute_statistics(model: nn.Module, run: Callable[[], object]) -> None:
    """Gives all batch norms the statistics of one pass over the images.

    Args:
        model: The model. Only its batch norms are put into training mode, and only for the pass, so that nothing else
            (dropout, stochastic depth) is random.
        run: Forwards all batches. Their statistics count alike, whatever their sizes.
    """
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
    if not norms:
        return
    momenta, modes = [norm.momentum for norm in norms], [norm.training for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches
        norm.training = True
    try:
        run()
    finally:
        for norm, momentum, mode in zip(norms, momenta, modes, strict=True):
            norm.momentum, norm.training = momentum, mode


def loss_landscape(model: nn.Module, evaluate: Callable[[], float], directions: Sequence[Mapping[str, Tensor]],
                   steps: np.ndarray, prepare: Callable[[], None] | None = None,
                   watch: Callable[[Iterable], Iterable] = iter) -> Landscape:
    """Evaluates a loss on a line or a plane through the weights.

    The points are spread over the processes of ``torch.distributed``, if there are several; all get all losses.

    Args:
        model: The model, in eval mode; its weights and buffers are the same bits afterwards.
        evaluate: The loss with the weights that the model has when it is called.
        directions: One or two, see :func:`random_direction`.
        steps: See :func:`grid_steps`.
        prepare: What is done at each point before, such as :func:`recompute_statistics`.
        watch: Passes the points on, and shows how far it is.

    Raises:
        UserError: There are not one or two directions.
    """
    if len(directions) not in (1, 2):
        raise UserError(f'a loss landscape expects one or two directions, got {len(directions)}. Draw a line or a '
                        'plane.')
    shape = (len(steps), ) * len(directions)
    losses = np.zeros(shape)
    rank, world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    start, evaluating = _now(model), 0.
    with weights_restored(model) as weights:
        move = Mover(model, weights, directions)
        for point in watch(list(np.ndindex(shape))[rank::world]):
            move([steps[i] for i in point])
            if prepare is not None:
                prepare()
            begun = _now(model)
            losses[point] = evaluate()
            evaluating += _now(model) - begun
    seconds = _now(model) - start
    return Landscape(steps, _summed(losses, model) if world > 1 else losses, seconds, evaluating)


def cross_entropy(forward: Callable[[Tensor], Tensor], batches: Sequence[tuple[Tensor, Tensor]]) -> float:
    """The mean cross-entropy of the logits over all images, summed in float64.

    Args:
        forward: Normalised images to logits (N, C).
        batches: Images and labels, on the device.
    """
    return batch_mean(lambda images, labels: nn.functional.cross_entropy(forward(images).float(), labels), batches)


def batch_mean(loss: Callable[[Tensor, Tensor], Tensor], batches: Sequence[tuple[Tensor, Tensor]]) -> float:
    """The mean over all images of a loss that is a mean over a batch."""
    total: Tensor | float = 0.
    with torch.inference_mode():
        for images, labels in batches:
            total = total + loss(images, labels).double() * len(images)
    return float(total) / sum(len(images) for images, _ in batches)


def _slice_norms(tensor: Tensor) -> Tensor:
    """The norm of each slice along the first axis, with axes of 1 for the others."""
    return tensor.flatten(1).norm(dim=1).reshape(-1, *(1, ) * (tensor.dim() - 1))


def _state(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from model.named_parameters()
    yield from model.named_buffers()


def _now(model: nn.Module) -> float:
    if any(parameter.is_cuda for parameter in model.parameters()):
        torch.cuda.synchronize()
    return perf_counter()


def _summed(losses: np.ndarray, model: nn.Module) -> np.ndarray:
    """Each process has zeros where others have losses, so that the sum is exact."""
    on_gpu = dist.get_backend() == 'nccl'
    device = next(model.parameters()).device if on_gpu else torch.device('cpu')
    tensor = torch.tensor(losses, device=device)
    dist.all_reduce(tensor)
    return tensor.cpu().numpy()
