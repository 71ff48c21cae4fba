"""Who is mixed with whom in an epoch, and an order in which both stand side by side."""
from functools import lru_cache

import numpy as np

from .views import PAIRS


@lru_cache(maxsize=6)  # of two epochs, since a loader fetches ahead, and of three repeats each
def partners(seed: int, epoch: int, images: int) -> np.ndarray:
    """The partner of each image in one epoch: its partner's partner is itself, and one of an odd number is alone.

    Args:
        seed: The seed of all views.
        epoch: The epoch.
        images: How many images there are.

    Returns:
        The index of each image's partner, (images,).
    """
    # The legacy generator: NumPy promises its numbers for all versions.
    generator = np.random.RandomState(np.random.MT19937(np.random.SeedSequence((seed, epoch), spawn_key=(PAIRS, ))))
    order = generator.permutation(images)
    found = np.arange(images, dtype=np.int32)  # workers keep a copy each
    even = images - images % 2
    found[order[0:even:2]], found[order[1:even:2]] = order[1:even:2], order[0:even:2]
    return found


def paired(order: np.ndarray, partner: np.ndarray) -> np.ndarray:
    """An order of all images in which partners follow on each other: each pair where the first of both stood.

    Args:
        order: All indices once, (images,).
        partner: The partner of each image, (images,).

    Returns:
        All indices once; one that is alone comes last.
    """
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    first = order[place[order] < place[partner[order]]]
    alone = order[partner[order] == order]
    return np.concatenate([np.stack([first, partner[first]], axis=1).ravel(), alone])


def share_of_rank(order: np.ndarray, rank: int, world_size: int) -> np.ndarray:
    """The part of one process, as many as every ``world_size``-th index would be, in whole pairs as far as they go."""
    pairs = len(order) // (2 * world_size)
    whole, rest = order[:2 * world_size * pairs], order[2 * world_size * pairs:]
    return np.concatenate([whole.reshape(pairs, world_size, 2)[:, rank].ravel(), rest[rank::world_size]])
