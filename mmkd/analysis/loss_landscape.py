"""Loss landscapes: the loss on a line or a plane through the weights of a model."""
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from threading import Lock
from time import perf_counter
from typing import NamedTuple

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
    directions = {name: torch.zeros_like(weight) for name, weight in model.named_parameters()}
    for name, weight in model.named_parameters():
        if weight.dim() > 1:
            drawn = torch.randn(weight.shape, generator=generator, dtype=torch.float32).to(weight)
            lengths, goal = (tensor.detach().flatten(1).norm(dim=1).reshape(-1, *(1, ) * (weight.dim() - 1))
                             for tensor in (drawn, weight))
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
    state = [*model.named_parameters(), *model.named_buffers()]
    kept = {name: tensor.detach().clone() for name, tensor in state}
    modes = {module: module.training for module in model.modules()}
    momenta = {module: module.momentum for module in model.modules() if isinstance(module, _BatchNorm)}
    try:
        yield {name: kept[name] for name, _ in model.named_parameters()}
    finally:
        with torch.no_grad():
            for name, tensor in state:
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
        *self._first, self._last = [[direction[name] for name in moving] for direction in directions]
        self._row, self._line = 0., self._middle  # where the last point was along the first direction of two

    @torch.no_grad()
    def __call__(self, steps: Sequence[float]) -> None:
        """Moves the weights.

        Args:
            steps: How far along each direction; zeros leave every bit as in the middle.
        """
        *row, step = map(float, steps)
        if row and row[0] != self._row:
            self._row = row[0]
            self._line = torch._foreach_add(self._middle, self._first[0], alpha=row[0]) if row[0] else self._middle
        for parameter, start, direction in zip(self._parameters, self._line, self._last, strict=True):
            if step:  # in one pass: it is what a point costs beside its evaluation
                torch.add(start, direction, alpha=step, out=parameter)
            else:
                parameter.copy_(start)


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


class Evaluation(NamedTuple):
    """A model and its loss.

    Args:
        model: The model, in eval mode; its weights and buffers are the same bits afterwards.
        loss: The loss with the weights that the model has when it is called.
        prepare: What is done at each point before, such as :func:`recompute_statistics`.
    """
    model: nn.Module
    loss: Callable[[], float]
    prepare: Callable[[], object] | None = None


@contextmanager
def one_thread_a_copy(copies: int) -> Iterator[None]:
    """Lets PyTorch compute with one thread in each of several threads of Python: two of those wait for nothing.

    The last bits of a loss depend on the number of threads, so whoever compares losses evaluates all of them inside.
    """
    before = torch.get_num_threads()
    if copies > 1:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def loss_landscape(evaluations: Sequence[Evaluation], directions: Sequence[Mapping[str, Tensor]], steps: np.ndarray,
                   watch: Callable[[Iterable], Iterable] = iter) -> Landscape:
    """Evaluates a loss on a line or a plane through the weights.

    The points are spread over the processes of ``torch.distributed``, if there are several, and in each over the copies
    of the model; all processes get all losses.

    Args:
        evaluations: The model and its loss; further ones are of copies, a thread each (:func:`one_thread_a_copy`).
        directions: One or two, see :func:`random_direction`.
        steps: See :func:`grid_steps`.
        watch: Passes the points on, and shows how far it is.

    Raises:
        UserError: There are not one or two directions.
    """
    if len(directions) not in (1, 2):
        raise UserError(f'a loss landscape expects one or two directions, got {len(directions)}. Draw a line or a '
                        'plane.')
    shape = (len(steps), ) * len(directions)
    losses, model = np.zeros(shape), evaluations[0].model
    rank, world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    start = _now(model)
    with ExitStack() as stack:
        moves = [Mover(each.model, stack.enter_context(weights_restored(each.model)), directions)
                 for each in evaluations]
        points = _Points(watch(list(np.ndindex(shape))[rank::world]))
        evaluating = _on_all([partial(_walk, each, move, points, steps, losses)
                              for each, move in zip(evaluations, moves, strict=True)])
    seconds = _now(model) - start
    return Landscape(steps, _summed(losses, model) if world > 1 else losses, seconds, evaluating)


class _Points:
    """Hands points out to several threads, until there are none or one of the threads has failed."""

    def __init__(self, points: Iterable[tuple[int, ...]]) -> None:
        self._points, self._lock, self.stopped = iter(points), Lock(), False

    def __iter__(self) -> '_Points':
        return self

    def __next__(self) -> tuple[int, ...]:
        with self._lock:
            if self.stopped:
                raise StopIteration
            return next(self._points)


def _walk(evaluation: Evaluation, move: Mover, points: _Points, steps: np.ndarray, losses: np.ndarray) -> float:
    """What one thread does; returns the seconds that its evaluations took."""
    (model, loss, prepare), evaluating = evaluation, 0.
    try:
        for point in points:
            move([steps[i] for i in point])
            if prepare is not None:
                prepare()
            begun = _now(model)
            losses[point] = loss()
            evaluating += _now(model) - begun
    finally:
        points.stopped = True
    return evaluating


def _on_all(walks: Sequence[Callable[[], float]]) -> float:
    """Runs all, the first in this thread, which gets the keys that are pressed; returns the mean of their seconds."""
    with ThreadPoolExecutor(max(len(walks) - 1, 1)) as pool:
        others = [pool.submit(walk) for walk in walks[1:]]
        return sum([walks[0](), *(other.result() for other in others)]) / len(walks)


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


def _now(model: nn.Module) -> float:
    if next(model.parameters()).is_cuda:
        torch.cuda.synchronize()
    return perf_counter()


def _summed(losses: np.ndarray, model: nn.Module) -> np.ndarray:
    """Each process has zeros where others have losses, so that the sum is exact."""
    device = next(model.parameters()).device if dist.get_backend() == 'nccl' else torch.device('cpu')
    tensor = torch.tensor(losses, device=device)
    dist.all_reduce(tensor)
    return tensor.cpu().numpy()
