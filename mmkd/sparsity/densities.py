"""How dense each layer of a sparse network is, for a given sparsity of the whole.

All weights with at least two dimensions are pruned (convolutions, linear layers, the stem and the head included),
as in SLaK's code; biases, norms and scales stay dense.
"""
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from mmkd.layers import LargeKernel
from mmkd.utils import UserError, nearest
from mmkd.utils.kept_state import unchanged_state
from mmkd.utils.randomness import unchanged_generators

SCOPES = dict(all='weights of two or more dimensions', large_kernels='large kernels')


def prunable_weights(model: nn.Module, scope: str = 'all') -> dict[str, nn.Parameter]:
    """Returns the parameters that may be pruned.

    Args:
        model: The model.
        scope: ``all``: every parameter with at least two dimensions. ``large_kernels``: the kernels of
            :class:`mmkd.layers.LargeKernel` but for the small square ones.

    Returns:
        Parameter name to parameter.

    Raises:
        UserError: There are none, or the scope is unknown.
    """
    if scope not in SCOPES:
        raise UserError(f'sparsity expects a scope of {", ".join(SCOPES)}, got {scope!r}. {nearest(scope, SCOPES)}')
    weights = {name: param for name, param in model.named_parameters() if param.dim() >= 2}
    if scope == 'large_kernels':
        kernels = {id(branch.conv.weight) for module in model.modules() if isinstance(module, LargeKernel)
                   for name, branch in module.named_children() if name != 'small'}
        weights = {name: param for name, param in weights.items() if id(param) in kernels}
    if not weights:
        raise UserError(f'sparsity expects a model with {SCOPES[scope]}, got a {type(model).__name__} without any. '
                        'Give the model that holds the layers, or another scope.')
    return weights


def uniform(model: nn.Module, sparsity: float,
            weights: Mapping[str, nn.Parameter] | None = None) -> dict[str, float]:
    """Gives every layer the same density.

    Args:
        model: The model.
        sparsity: Share of zeros among all prunable weights, in [0, 1).
        weights: What is pruned. All of :func:`prunable_weights` if None.

    Returns:
        Parameter name to density.

    Raises:
        UserError: The sparsity is out of range.
    """
    _check_sparsity(sparsity)
    return dict.fromkeys(prunable_weights(model) if weights is None else weights, 1. - sparsity)


def erk(model: nn.Module, sparsity: float, weights: Mapping[str, nn.Parameter] | None = None) -> dict[str, float]:
    r"""Gives layers with few weights for their size a higher density (Erdős–Rényi kernel).

    .. math:: d_l = \min(1,\ \epsilon \cdot (\sum_i n_i) / (\prod_i n_i))

    with the weight's shape n (out, in, height, width) and ε such that the whole has the sparsity asked for.

    Source: Evci et al., Rigging the Lottery: Making All Tickets Winners, ICML 2020, arXiv 1911.11134, Sec. 3.
    Differs from the authors' code: nothing.

    Args:
        model: The model.
        sparsity: Share of zeros among all prunable weights, in [0, 1).
        weights: What is pruned. All of :func:`prunable_weights` if None.

    Returns:
        Parameter name to density.

    Raises:
        UserError: The sparsity is out of range.
    """
    _check_sparsity(sparsity)
    weights = prunable_weights(model) if weights is None else weights
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


def snip(model: nn.Module, sparsity: float, compute_loss: Callable[[], Tensor],
         weights: Mapping[str, nn.Parameter] | None = None) -> dict[str, float]:
    r"""Keeps the weights that the loss depends on most, wherever they are.

    .. math:: s_i = |w_i \cdot \partial L / \partial w_i|

    on one batch, with one threshold for the whole model. A layer's density is the share of its weights above it.

    Source: Lee et al., SNIP: Single-shot Network Pruning based on Connection Sensitivity, ICLR 2019,
    arXiv 1810.02340, Sec. 4.
    Differs from the authors' code: the scores are not divided by their sum, which changes no order.

    Args:
        model: The model. It runs once in train mode, and is left as it is: parameters, gradients, modes, statistics,
            and whatever else its modules keep. So are the global random states.
        sparsity: Share of zeros among all prunable weights, in [0, 1).
        compute_loss: Runs the model on a batch and returns the loss, a scalar.
        weights: What is pruned. All of :func:`prunable_weights` if None.

    Returns:
        Parameter name to density.

    Raises:
        UserError: The sparsity is out of range.
    """
    _check_sparsity(sparsity)
    weights = prunable_weights(model) if weights is None else weights
    scores = _snip_scores(model, weights, compute_loss)
    sizes = [score.numel() for score in scores.values()]
    kept = round((1. - sparsity) * sum(sizes))
    # The highest scores' places, rather than a threshold: the count is right even if scores are equal.
    places = torch.cat(list(scores.values())).topk(kept, sorted=False).indices.cpu()
    layers = torch.bucketize(places, torch.tensor(sizes).cumsum(0), right=True)
    counts = torch.bincount(layers, minlength=len(sizes)).tolist()
    return {name: count / size for name, count, size in zip(scores, counts, sizes)}


def _snip_scores(model: nn.Module, weights: Mapping[str, nn.Parameter],
                 compute_loss: Callable[[], Tensor]) -> dict[str, Tensor]:
    trained = [weight.requires_grad for weight in weights.values()]
    try:
        with unchanged_state(model), unchanged_generators():
            model.train()
            for weight in weights.values():
                weight.requires_grad_(True)  # frozen stages count too
            grads = torch.autograd.grad(compute_loss(), list(weights.values()), allow_unused=True)
    finally:
        for weight, flag in zip(weights.values(), trained):
            weight.requires_grad_(flag)
    return {name: torch.zeros(weight.numel(), device=weight.device) if grad is None else
            (weight.detach() * grad).abs().flatten() for (name, weight), grad in zip(weights.items(), grads)}


def _check_sparsity(sparsity: float) -> None:
    if not 0 <= sparsity < 1:
        raise UserError(f'sparsity expects a share in [0, 1), got {sparsity}. 0.4 means that 40 % are zero.')
