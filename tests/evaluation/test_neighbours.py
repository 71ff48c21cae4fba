"""The k-NN classifier: votes by hand, in pieces, and at extremes."""
import math

import pytest
import torch

from mmkd.evaluation import neighbours as module
from mmkd.evaluation.neighbours import hits, neighbour_votes


def at(*degrees: float) -> torch.Tensor:
    """Vectors of different lengths in these directions."""
    angles = torch.tensor(degrees, dtype=torch.float64).deg2rad()
    return (torch.stack([angles.cos(), angles.sin()], 1) * torch.arange(1, len(degrees) + 1)[:, None]).float()


BANK, LABELS = at(0, 10, 20, 90, 180), torch.tensor([0, 1, 1, 2, 0])


def test_votes_by_hand():
    votes = neighbour_votes(at(4), BANK, LABELS, classes=4, neighbours=3, temperature=0.07)[0]
    near, second, third = (math.cos(math.radians(angle)) for angle in (4, 6, 16))
    expected = [1., math.exp((second - near) / 0.07) + math.exp((third - near) / 0.07)]
    assert votes[:2].tolist() == pytest.approx(expected, rel=1e-4)
    assert votes[2:].tolist() == [-math.inf] * 2  # the vector of class 2 is the fourth nearest
    assert votes.argmax() == 1  # two votes of some weight beat the nearest image


def test_a_low_temperature_takes_the_nearest_and_overflows_nowhere():
    votes = neighbour_votes(at(4, 91), BANK, LABELS, classes=3, neighbours=5, temperature=1e-4)
    assert votes.argmax(1).tolist() == [0, 2] and votes.isfinite().all()
    high = neighbour_votes(at(4), BANK, LABELS, classes=3, neighbours=5, temperature=1e6)
    assert high[0].tolist() == pytest.approx([2, 2, 1], rel=1e-4)


def test_pieces_give_the_same(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    queries, bank = torch.randn(23, 6, generator=generator), torch.randn(57, 6, generator=generator)
    labels = torch.randint(0, 5, (57, ), generator=generator)
    whole = neighbour_votes(queries, bank, labels, 5, neighbours=7)
    monkeypatch.setattr(module, 'BANK_CHUNK', 4)  # fewer than there are neighbours
    monkeypatch.setattr(module, 'QUERY_CHUNK', 5)
    torch.testing.assert_close(neighbour_votes(queries, bank, labels, 5, neighbours=7), whole)


def test_hits():
    scores = torch.tensor([[3., 1., -math.inf, 2.], [3., 3., 1., 0.], [-math.inf, 1., -math.inf, -math.inf]])
    assert [hits(scores, torch.tensor([0, 0, 1]), k) for k in (1, 2)] == [3, 3]
    assert [hits(scores, torch.tensor([3, 1, 0]), k) for k in (1, 2, 4)] == [0, 2, 2]  # no vote is no hit
    assert hits(scores[:0], torch.zeros(0, dtype=torch.long), 1) == 0
