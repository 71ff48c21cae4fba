"""Telling an order of classes from chance."""
import math

import pytest
import torch

from mmkd.recipes.label_order import are_related, at_least, chance_agreement


@pytest.mark.parametrize(('hits', 'total', 'chance'), [(0, 5, 0.1), (3, 5, 0.1), (5, 5, 0.25), (17, 40, 0.3)])
def test_binomial_tail(hits, total, chance):
    exact = sum(math.comb(total, k) * chance**k * (1 - chance)**(total - k) for k in range(hits, total + 1))
    assert at_least(hits, total, chance) == pytest.approx(exact, rel=1e-12)


def test_binomial_tail_at_its_ends():
    assert at_least(5, 5, 1.0) == 1
    assert 0 < at_least(3000, 5000, 0.5) < 1e-40
    assert at_least(0, 5000, 0.001) == pytest.approx(1)


def test_a_model_that_always_says_the_same_is_at_chance():
    labels = torch.tensor([0] * 90 + [1] * 10)
    constant = torch.zeros(100, dtype=torch.long)
    assert chance_agreement(constant, labels, 2) == pytest.approx(0.9)
    assert at_least(90, 100, chance_agreement(constant, labels, 2)) > 0.1


def test_chance_of_balanced_predictions_is_one_in_all_classes():
    labels = torch.arange(10).repeat(10)
    assert chance_agreement(labels, labels, 10) == pytest.approx(0.1)
    assert chance_agreement(labels, labels.flip(0), 4) == pytest.approx(0.1)  # as many as there are labels


def test_renamed_classes_are_related_and_random_ones_are_not():
    labels = torch.arange(10).repeat(10)
    wrong = labels.clone()
    wrong[::2] = torch.randint(10, (50, ), generator=torch.Generator().manual_seed(1))
    assert are_related((wrong + 3) % 10, labels)
    unrelated = torch.randint(10, (100, ), generator=torch.Generator().manual_seed(2))
    assert not are_related(unrelated, labels)
