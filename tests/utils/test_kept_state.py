"""Everything that an object keeps is put back: values and identities."""
import random
from collections import deque

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mmkd.utils.kept_state import unchanged_state
from mmkd.utils.randomness import generator_of, unchanged_generators


class Busy(nn.Module):
    """A module that changes all that it has."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.BatchNorm1d(2), nn.Dropout())
        self.weight = nn.Parameter(torch.ones(2))
        self.register_buffer('memory', torch.zeros(2))
        self.register_buffer('unsaved', torch.zeros(2), persistent=False)
        self.register_buffer('later', None)
        self.count, self.loose, self.queue = 0, torch.zeros(2), deque([1], maxlen=2)
        self.nested = dict(lists=[[torch.zeros(2)], {1}], rng=(random.Random(0), np.random.default_rng(0)))
        self.generator = torch.Generator()
        self.numbers = (i for i in range(9))

    def forward(self, x: Tensor) -> Tensor:
        self.memory += 1
        self.unsaved = self.unsaved + 1
        self.later = torch.ones(3)
        self.count, self.loose = self.count + 1, self.loose + 1
        self.queue.append(2)
        self.nested['lists'][0][0] += 1
        self.nested['lists'][1].add(len(self.nested['lists'][1]) + 1)
        self.nested['new'] = self.train()
        self.drawn = [rng.random() for rng in self.nested['rng']], torch.rand(1, generator=self.generator).item()
        with torch.no_grad():
            self.weight.mul_(2)
        return self.inner(x) * self.weight.sum() + next(self.numbers)


def shown(model: Busy) -> str:
    plain = {name: value for name, value in vars(model).items() if name not in ('numbers', 'nested', 'generator')}
    return repr((plain, model.state_dict(), model.inner[0].num_batches_tracked, model.nested['lists'], model.training))


def test_nothing_of_a_module_changes():
    model = Busy().eval()
    before, memory, later, kept = shown(model), model.memory, model._buffers, model.nested['lists']
    drawn = []
    for _ in range(2):
        with unchanged_state(model):
            model(torch.randn(4, 2))
            drawn.append((model.drawn, model.count, next(model.numbers)))
        assert shown(model) == before
    assert drawn[0] == drawn[1]
    assert model.memory is memory and model._buffers is later and model.nested['lists'] is kept
    assert not model.inner.training and 'drawn' not in vars(model) and next(model.numbers) == 0


def test_it_is_put_back_after_an_error_too():
    model = Busy()
    before = shown(model)
    with pytest.raises(ZeroDivisionError), unchanged_state(model):
        model(torch.randn(4, 2))
        raise ZeroDivisionError
    assert shown(model) == before


def test_tensors_that_are_not_numbers_or_change_their_size():
    model = nn.Module()
    model.register_buffer('value', torch.full((2,), torch.nan))
    with unchanged_state(model):
        model.value.resize_(3).fill_(1.)
    assert model.value.isnan().tolist() == [True, True]


def test_global_generators():
    def draw() -> tuple:
        return random.random(), np.random.rand(), torch.rand(1).item()

    with unchanged_generators():
        first = draw()
    assert draw() == first


def test_generators_follow_from_all_numbers_and_their_order():
    draws = {torch.rand(1, generator=generator_of(*numbers)).item()
             for numbers in ((1,), (1, 0), (0, 1), (1, 2), (2, 1), (2**40, 1), (1, 2**61 - 1), (0, 0))}
    assert len(draws) == 8
    assert torch.equal(torch.rand(3, generator=generator_of(3, 4)), torch.rand(3, generator=generator_of(3, 4)))


def test_what_was_not_written_to_can_still_be_differentiated():
    model = nn.Linear(2, 1)
    nn.init.constant_(model.weight, float('nan'))
    with unchanged_state(model):
        loss = model(torch.ones(1, 2, requires_grad=True)).sum()
    loss.backward()
    with unchanged_state(model), torch.no_grad():
        model.weight[0, 0] = 1.
    assert model.weight.isnan().all()
