"""Which weights of a sparse network are zero, and how that changes while it learns."""
import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mmkd.utils import UserError, nearest

GROWTHS = ('random', 'gradient')
_SHIFTS = torch.arange(8, dtype=torch.uint8)


class SparseMasks:
    """Holds some weights of a model at zero.

    A mask is True where a weight is pruned. The generators of random choices are on the CPU and the caller's, so
    that all processes of a distributed run choose alike.

    Args:
        weights: Parameter name to parameter.
    """

    def __init__(self, weights: Mapping[str, nn.Parameter]) -> None:
        self.weights = dict(weights)
        self.pruned = {name: torch.zeros_like(weight, dtype=torch.bool) for name, weight in self.weights.items()}

    def draw(self, densities: Mapping[str, float], generator: torch.Generator) -> None:
        """Prunes weights at random.

        Args:
            densities: Parameter name to the share of weights that stays. As many stay, rounded, as that says.
            generator: Decides.

        Raises:
            UserError: A density is given for a weight that is not there.
        """
        for name, density in densities.items():
            if name not in self.pruned:
                raise UserError(f'a mask expects the name of a weight, got {name!r}. {nearest(name, self.pruned)}')
            mask = self.pruned[name]
            places = _highest(torch.rand(mask.numel(), generator=generator), round((1 - density) * mask.numel()))
            self.pruned[name] = _mask_of(places, mask)
        self.apply()

    def from_zeros(self) -> None:
        """Prunes what is zero.

        Raises:
            UserError: Nothing is.
        """
        self.pruned = {name: weight.detach() == 0 for name, weight in self.weights.items()}
        if self.sparsity() == 0:
            raise UserError('masks from a checkpoint expect weights that are zero, got none. Load a sparse checkpoint '
                            'with load_from, or choose init snip, erk or uniform and a sparsity.')

    @torch.no_grad()
    def apply(self, weights: Mapping[str, Tensor] | None = None) -> None:
        """Sets the pruned weights to zero.

        Args:
            weights: Parameter name to tensor, to prune alike (an average of the weights). The model's own if None.
        """
        for name, weight in (weights or self.weights).items():
            weight.masked_fill_(self.pruned[name], 0)

    def sparsity(self) -> float:
        """The share of pruned weights."""
        pruned = sum(int(mask.sum()) for mask in self.pruned.values())
        return pruned / sum(mask.numel() for mask in self.pruned.values())

    def densities(self) -> dict[str, float]:
        """Parameter name to the share of weights that are not pruned."""
        return {name: 1 - int(mask.sum()) / mask.numel() for name, mask in self.pruned.items()}

    @torch.no_grad()
    def prune_and_regrow(self, rate: float, growth: str, generator: torch.Generator) -> dict[str, Tensor]:
        """Prunes the smallest weights of each layer and lets as many others grow, from zero.

        Source: Evci et al., Rigging the Lottery: Making All Tickets Winners, ICML 2020, arXiv 1911.11134, Sec. 3
        (by gradient); Mocanu et al., Scalable Training of Artificial Neural Networks with Adaptive Sparse
        Connectivity, Nature Communications 2018, arXiv 1707.04780 (at random). What has just been pruned may grow
        again, as in SLaK's code.

        Args:
            rate: Share to exchange of the weights of each layer that are not pruned, in [0, 1]; rounded up, as in
                SLaK's code.
            growth: ``random``, or ``gradient``: where it is largest. Weights without a gradient grow at random.
            generator: Decides.

        Returns:
            Parameter name to where a weight has grown, True there, of the weight's shape.
        """
        grown = {}
        for name, weight in self.weights.items():
            mask = self.pruned[name].flatten()
            count = math.ceil(rate * int((~mask).sum()))
            size = weight.detach().abs().flatten().masked_fill(mask, torch.inf)
            mask = mask | _mask_of(_highest(-size, count), mask)
            if growth == 'gradient' and weight.grad is not None:
                wish = weight.grad.abs().flatten()
            else:
                wish = torch.rand(mask.numel(), generator=generator).to(mask.device)
            new = _mask_of(_highest(wish.masked_fill(~mask, -torch.inf), count), mask)
            old = self.pruned[name]
            self.pruned[name] = (mask & ~new).view_as(old)
            grown[name] = new.view_as(old) & old  # what was pruned and grew again at once keeps its value
        self.apply()
        return grown

    def state_dict(self) -> dict[str, Tensor]:
        """Parameter name to the mask, eight weights a byte."""
        return {name: _pack(mask.cpu()) for name, mask in self.pruned.items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restores the masks.

        Args:
            state: What :meth:`state_dict` returned.

        Raises:
            UserError: It belongs to other weights.
        """
        if state.keys() != self.pruned.keys():
            raise UserError(f'masks expect the weights {_few(self.pruned)}, got masks of {_few(state)}. The '
                            'checkpoint is of another model, or its hook had another module or scope.')
        for name, mask in self.pruned.items():
            if len(state[name]) != (mask.numel() + 7) // 8:
                raise UserError(f'the mask of {name} expects {mask.numel()} weights, got about '
                                f'{8 * len(state[name])}. The checkpoint is of another model.')
            self.pruned[name] = _unpack(state[name], mask)


def _highest(scores: Tensor, count: int) -> Tensor:
    return scores.topk(count, sorted=False).indices


def _mask_of(places: Tensor, like: Tensor) -> Tensor:
    mask = torch.zeros(like.numel(), dtype=torch.bool, device=like.device)
    mask[places.to(like.device)] = True
    return mask.view_as(like)


def _pack(mask: Tensor) -> Tensor:
    flat = mask.flatten().to(torch.uint8)
    flat = torch.cat([flat, flat.new_zeros(-len(flat) % 8)]).view(-1, 8)
    return (flat << _SHIFTS).sum(1, dtype=torch.uint8)


def _unpack(packed: Tensor, like: Tensor) -> Tensor:
    flat = (packed.cpu()[:, None] >> _SHIFTS & 1).flatten()[:like.numel()]
    return flat.bool().view_as(like).to(like.device)


def _few(names: Mapping) -> str:
    return ', '.join(list(names)[:3]) + (f' … ({len(names)})' if len(names) > 3 else '')
