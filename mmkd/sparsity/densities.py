"""How dense each layer of a sparse network is, for a given sparsity of the whole.

All weights with at least two dimensions are pruned (convolutions, linear layers, the stem and the head included),
as in SLaK's code; biases, norms and scales stay dense.
"""
import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmkd.utils import UserError


def prunable_weights(model: nn.Module) -> dict[str, nn.Parameter]:
    """Returns the parameters with at least two dimensions.

    Args:
        model: The model.

    Returns:
        Parameter name to parameter.

    Raises:
        UserError: There are none.
    """
    weights = {name: param for name, param in model.named_parameters() if param.dim() >= 2}
    if not weights:
        raise UserError(f'sparsity expects a model with weights of two or more dimensions, got a '
                        f'{type(model).__name__} without any. Give the model that holds the layers.')
    return weights


def uniform(model: nn.Module, sparsity: float) -> dict[str, float]:
    """Gives every layer the same density.

    Args:
        model: The model.
        sparsity: Share of zeros among all prunable weights, in [0, 1).

    Returns:
        Parameter name to density.

    Raises:
        UserError: The sparsity is out of range.
    """
    _check_sparsity(sparsity)
    return dict.fromkeys(prunable_weights(model), 1. - sparsity)


def erk(model: nn.Module, sparsity: float) -> dict[str, float]:
    r"""Gives layers with few weights for their size a higher density (Erdős–Rényi kernel).

    .. math:: d_l = \min(1,\ \epsilon \cdot (\sum_i n_i) / (\prod_i n_i))

    with the weight's shape n (out, in, height, width) and ε such that the whole has the sparsity asked for.

    Source: Evci et al., Rigging the Lottery: Making All Tickets Winners, ICML 2020, arXiv 1911.11134, Sec. 3.
    Differs from the authors' code: nothing.

    Args:
        model: The model.
        sparsity: Share of zeros among all prunable weights, in [0, 1).

    Returns:
        Parameter name to density.

    Raises:
        UserError: The sparsity is out of range.
    """
    _check_sparsity(sparsity)
    weights = prunable_weights(model)
    sizes = {name: weight.numel() for name, weight in weights.items()}
    scores = {name: sum(weight.shape) / weight.numel() for name, weight in weights.items()}
    total = sum(sizes.values())
    sparse, densities = set(weights), dict.fromkeys(weights, 1.)
    while sparse:
        kept = (1. - sparsity) * total - sum(sizes[name] for name in weights if name not in sparse)
        epsilon = kept / sum(scores[name] * sizes[name] for name in sparse)
        full = {name for name in sparse if epsilon * scores[name] >= 1.}
        if not full:
            return densities | {name: epsilon * scores[name] for name in weights if name in sparse}
        sparse -= full
    return densities


def snip(
    model: nn.Module,
    sparsity: float,
    inputs: Tensor,
    targets: Tensor,
    loss: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy,
) -> dict[str, float]:
    r"""Keeps the weights that the loss depends on most, wherever they are.

    .. math:: s_i = |w_i \cdot \partial L / \partial w_i|

    on one batch, with one threshold for the whole model. A layer's density is the share of its weights above it.

    Source: Lee et al., SNIP: Single-shot Network Pruning based on Connection Sensitivity, ICLR 2019,
    arXiv 1810.02340, Sec. 4.
    Differs from the authors' code: the scores are not divided by their sum, which changes no order.

    Args:
        model: The model; it maps ``inputs`` to logits and is left as it is (a copy runs in train mode).
        sparsity: Share of zeros among all prunable weights, in [0, 1).
        inputs: A batch.
        targets: Its labels.
        loss: Loss of logits and targets.

    Shapes: inputs (N, C, H, W); targets (N,) or (N, classes).

    Returns:
        Parameter name to density.

    Raises:
        UserError: The sparsity is out of range, or the model returns no logits.
    """
    _check_sparsity(sparsity)
    scores = _snip_scores(model, inputs, targets, loss)
    sizes = torch.tensor([score.numel() for score in scores.values()])
    kept = round((1. - sparsity) * int(sizes.sum()))
    # The highest scores' places, rather than a threshold: the count is right even if scores are equal.
    places = torch.cat(list(scores.values())).topk(kept, sorted=False).indices.cpu()
    layers = torch.bucketize(places, sizes.cumsum(0), right=True)
    counts = torch.bincount(layers, minlength=len(sizes))
    return dict(zip(scores, (counts / sizes).tolist()))


def _snip_scores(model: nn.Module, inputs: Tensor, targets: Tensor, loss: Callable) -> dict[str, Tensor]:
    twin = copy.deepcopy(model).train()
    weights = prunable_weights(twin)
    for weight in weights.values():
        weight.requires_grad_(True)  # frozen stages count too
    logits = twin(inputs)
    if not isinstance(logits, Tensor):
        raise UserError(f'snip expects a model that returns logits (N, classes), got a {type(model).__name__} that '
                        f'returns a {type(logits).__name__}. Give the classifier, with its head.')
    grads = torch.autograd.grad(loss(logits, targets), list(weights.values()), allow_unused=True)
    return {name: torch.zeros(weight.numel()) if grad is None else (weight.detach() * grad).abs().flatten()
            for (name, weight), grad in zip(weights.items(), grads)}


def _check_sparsity(sparsity: float) -> None:
    if not 0 <= sparsity < 1:
        raise UserError(f'sparsity expects a share in [0, 1), got {sparsity}. 0.4 means that 40 % are zero.')
