"""Masks: exact counts, what is pruned and what grows, and their packed form."""
import math

import pytest
import torch
from torch import nn

from mmkd.sparsity import SparseMasks
from mmkd.utils import UserError


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture()
def masks() -> SparseMasks:
    torch.manual_seed(0)
    masks = SparseMasks(dict(a=nn.Parameter(torch.randn(7, 9)), b=nn.Parameter(torch.randn(5, 1, 3, 3))))
    masks.draw(dict(a=.5, b=.9), generator())
    return masks


def test_draws_exact_counts(masks):
    assert masks.pruned['a'].sum() == round(.5 * 63) and masks.pruned['b'].sum() == round(.1 * 45)
    assert all(torch.equal(weight == 0, masks.pruned[name]) for name, weight in masks.weights.items())
    assert masks.sparsity() == pytest.approx((32 + 4) / 108)
    assert masks.densities() == pytest.approx(dict(a=31 / 63, b=41 / 45))
    again = SparseMasks(masks.weights)
    again.draw(dict(a=.5, b=.9), generator())
    assert all(torch.equal(again.pruned[name], mask) for name, mask in masks.pruned.items())
    again.draw(dict(a=.5, b=.9), generator(1))
    assert not torch.equal(again.pruned['a'], masks.pruned['a'])


def test_applies_to_other_tensors(masks):
    other = {name: torch.ones_like(weight) for name, weight in masks.weights.items()}
    masks.apply(other)
    assert all(torch.equal(value == 0, masks.pruned[name]) for name, value in other.items())


@pytest.mark.parametrize('growth', ['random', 'gradient'])
def test_prunes_the_smallest_and_grows_as_many(masks, growth):
    before = {name: (weight.detach().clone(), masks.pruned[name].clone()) for name, weight in masks.weights.items()}
    for weight in masks.weights.values():
        weight.grad = torch.randn_like(weight)
    grown = masks.prune_and_regrow(.3, growth, generator())
    for name, (weight, pruned) in before.items():
        count = math.ceil(.3 * int((~pruned).sum()))
        assert count > 0
        smallest = weight.abs().masked_fill(pruned, torch.inf).flatten().topk(count, largest=False).indices
        candidates = pruned.clone().flatten()
        candidates[smallest] = True
        new = candidates & ~masks.pruned[name].flatten()
        assert new.sum() == count and masks.pruned[name].sum() == pruned.sum()
        if growth == 'gradient':
            wish = masks.weights[name].grad.abs().flatten().masked_fill(~candidates, -1)
            assert set(wish.topk(count).indices.tolist()) == set(new.nonzero().flatten().tolist())
        assert torch.equal(grown[name].flatten(), new & pruned.flatten())
        kept = (~pruned & ~masks.pruned[name])
        assert torch.equal(masks.weights[name][kept], weight[kept])
        assert (masks.weights[name][masks.pruned[name]] == 0).all() and (masks.weights[name][grown[name]] == 0).all()


def test_random_growth_follows_the_generator(masks):
    state = masks.state_dict()
    first = masks.prune_and_regrow(.3, 'random', generator(5))
    masks.load_state_dict(state)
    second = masks.prune_and_regrow(.3, 'random', generator(5))
    masks.load_state_dict(state)
    third = masks.prune_and_regrow(.3, 'random', generator(6))
    assert first.keys() == second.keys() and not torch.equal(first['a'], third['a'])


@pytest.mark.parametrize('alive, count', [(30, 9), (31, 10), (1, 1), (90, 27)])
def test_exchanges_as_many_as_the_authors(alive, count):
    """SLaK's code prunes ceil(rate * alive) weights of a layer, however few are zero, and lets as many grow."""
    weight = nn.Parameter(torch.arange(1., 101).view(10, 10))
    masks = SparseMasks(dict(w=weight))
    masks.pruned['w'].view(-1)[:100 - alive] = True
    masks.apply()
    wish = 100 - torch.arange(100.)  # the pruned ones first, then the smallest that are alive
    weight.grad = wish.view(10, 10)
    before = masks.pruned['w'].clone()
    grown = masks.prune_and_regrow(.3, 'gradient', generator())['w']
    zeros = 100 - alive
    moved = min(count, zeros)
    assert int(masks.pruned['w'].sum()) == zeros and int(grown.sum()) == moved
    assert (masks.pruned['w'] & ~before).flatten().nonzero().flatten().tolist() == [
        *range(zeros + count - moved, zeros + count)]


@pytest.mark.parametrize('rate', [0., 1.])
def test_extreme_rates(masks, rate):
    sparsity = masks.sparsity()
    masks.prune_and_regrow(rate, 'random', generator())
    assert masks.sparsity() == sparsity


def test_dense_and_nearly_empty_layers():
    weights = dict(dense=nn.Parameter(torch.ones(4, 4)), thin=nn.Parameter(torch.ones(4, 4)))
    masks = SparseMasks(weights)
    masks.draw(dict(dense=1., thin=1 / 16), generator())
    masks.prune_and_regrow(.5, 'gradient', generator())  # without gradients: at random
    assert masks.densities() == dict(dense=1., thin=1 / 16)


def test_from_zeros():
    weight = nn.Parameter(torch.tensor([[0., 1.], [2., 0.]]))
    masks = SparseMasks(dict(w=weight))
    masks.from_zeros()
    assert masks.pruned['w'].tolist() == [[True, False], [False, True]] and masks.sparsity() == .5
    with pytest.raises(UserError, match='expect weights that are zero'):
        SparseMasks(dict(w=nn.Parameter(torch.ones(2, 2)))).from_zeros()


def test_packed_state(masks, tmp_path):
    torch.save(masks.state_dict(), tmp_path / 'masks.pth')
    state = torch.load(tmp_path / 'masks.pth', weights_only=True)
    assert state['a'].numel() == 8 and state['a'].dtype == torch.uint8  # 63 weights
    other = SparseMasks(masks.weights)
    other.load_state_dict(state)
    assert all(torch.equal(other.pruned[name], mask) for name, mask in masks.pruned.items())


def test_wrong_names_and_sizes(masks):
    with pytest.raises(UserError, match="name of a weight, got 'c'"):
        masks.draw(dict(c=.5), generator())
    with pytest.raises(UserError, match='expect the weights a, b, got masks of a'):
        masks.load_state_dict(dict(a=torch.zeros(8, dtype=torch.uint8)))
    with pytest.raises(UserError, match='mask of a expects 63 weights'):
        masks.load_state_dict(masks.state_dict() | dict(a=torch.zeros(9, dtype=torch.uint8)))
