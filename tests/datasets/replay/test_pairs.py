"""Partners of an epoch, and the order that keeps them together."""
import numpy as np
import pytest

from mmkd.datasets.replay.pairs import paired, partners, share_of_rank


@pytest.mark.parametrize('images', [1, 2, 7, 100, 101])
def test_partners_are_mutual(images):
    found = partners(3, 4, images)
    assert np.array_equal(found[found], np.arange(images))
    assert (found == np.arange(images)).sum() == images % 2
    assert np.array_equal(found, partners.__wrapped__(3, 4, images))  # of another process


def test_partners_change_with_epoch_and_seed_and_are_any():
    assert not np.array_equal(partners(0, 0, 100), partners(0, 1, 100))
    assert not np.array_equal(partners(0, 0, 100), partners(1, 0, 100))
    met = [int(partners(0, epoch, 6)[2]) for epoch in range(600)]
    counts = np.bincount(met, minlength=6)
    assert counts[2] == 0 and counts[counts > 0].min() > 80 and (counts > 0).sum() == 5


def test_partners_are_the_same_for_ever():
    """The numbers are in caches on disk: another NumPy must draw them alike."""
    assert partners(0, 0, 10).tolist() == [9, 4, 3, 2, 1, 8, 7, 6, 5, 0]


@pytest.mark.parametrize('images', [2, 9, 40])
def test_partners_stand_side_by_side_where_the_first_of_both_stood(images):
    order, partner = np.random.RandomState(0).permutation(images), partners(0, 0, images)
    found = paired(order, partner)
    assert sorted(found) == list(range(images))
    even = images - images % 2
    assert np.array_equal(partner[found[0:even:2]], found[1:even:2])
    place = np.argsort(order)
    assert (np.diff(place[found[0:even:2]]) > 0).all() and found[0] == order[0] if images > 2 else True


@pytest.mark.parametrize(('images', 'ranks'), [(8, 1), (8, 2), (9, 2), (10, 3), (3, 4), (101, 8)])
def test_ranks_share_whole_pairs(images, ranks):
    order = np.arange(images)
    shares = [share_of_rank(order, rank, ranks) for rank in range(ranks)]
    assert sorted(np.concatenate(shares)) == list(range(images))
    assert [len(share) for share in shares] == [len(order[rank::ranks]) for rank in range(ranks)]
    for share in shares:
        whole = share[:2 * (images // (2 * ranks))].reshape(-1, 2)
        assert (whole[:, 0] % 2 == 0).all() and (whole[:, 1] == whole[:, 0] + 1).all()
