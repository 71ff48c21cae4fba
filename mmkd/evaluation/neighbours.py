r"""The k-NN classifier on frozen features.

Source: Wu et al., "Unsupervised Feature Learning via Non-Parametric Instance Discrimination", 2018, arXiv:1805.01978,
section 3.4, with the temperature and numbers of neighbours that DINO (Caron et al., 2021, arXiv:2104.14294) uses.
"""
import torch
import torch.nn.functional as F
from torch import Tensor

BANK_CHUNK, QUERY_CHUNK = 65536, 512  # the largest matrix of similarities: 128 MiB


def neighbour_votes(queries: Tensor, bank: Tensor, labels: Tensor, classes: int, neighbours: int = 20,
                    temperature: float = 0.07, device: torch.device | str = 'cpu') -> Tensor:
    r"""What the nearest images of a bank vote for.

    .. math:: v_c = \sum_{i \in N_k,\, y_i = c} \exp(s_i / T), \qquad s_i = \cos(q, b_i)

    The votes of a query are divided by that of its nearest neighbour, so that no temperature overflows.

    Args:
        queries: Features (N, C) of the images to classify.
        bank: Features (M, C) of labelled images.
        labels: Their classes (M,).
        classes: Number of classes.
        neighbours: :math:`k`, at most M.
        temperature: :math:`T`.
        device: Where to compare; both sets go there in pieces.

    Returns:
        Votes (N, classes) on the CPU; a class without a vote has minus infinity.
    """
    queries = F.normalize(queries.float(), dim=1)
    scores = queries.new_full((len(queries), 0), 0.)
    places = torch.zeros(len(queries), 0, dtype=torch.long)
    for start in range(0, len(bank), BANK_CHUNK):
        part = F.normalize(bank[start:start + BANK_CHUNK].float(), dim=1).to(device)
        found = [(piece.to(device) @ part.T).topk(min(neighbours, len(part)), dim=1)
                 for piece in queries.split(QUERY_CHUNK)]
        scores = torch.cat([scores, torch.cat([item.values.cpu() for item in found])], 1)
        places = torch.cat([places, torch.cat([item.indices.cpu() for item in found]) + start], 1)
        scores, best = scores.topk(min(neighbours, scores.shape[1]), dim=1)
        places = places.gather(1, best)
    weights = ((scores - scores[:, :1]) / temperature).exp()  # (N, k)
    votes = weights.new_zeros(len(queries), classes).scatter_add_(1, labels[places], weights)
    voted = torch.zeros_like(votes, dtype=torch.bool).scatter_(1, labels[places], True)
    return votes.masked_fill(~voted, -torch.inf)


def hits(scores: Tensor, labels: Tensor, k: int) -> int:
    """How many images have their class among the k with the highest scores.

    Of classes with the same score the first one counts as higher; minus infinity is no score.

    Args:
        scores: Scores (N, classes).
        labels: Classes (N,).
        k: How many classes may be named.
    """
    own = scores.gather(1, labels[:, None])
    before = (scores > own) | ((scores == own) & (torch.arange(scores.shape[1]) < labels[:, None]))
    return int(((before.sum(1) < k) & own[:, 0].isfinite()).sum())
