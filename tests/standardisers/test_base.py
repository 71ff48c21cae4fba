"""Estimating, freezing, saving: what all standardisations do alike."""
import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from mmkd.layers.running_average import RunningAverage
from mmkd.standardisers import PHIS, ChannelStandardisation
from mmkd.utils import UserError

from ..processes import run_ranks

KINDS = pytest.mark.parametrize('kind', [PHIS, ChannelStandardisation])


def batches(number: int = 4, size: int = 32) -> Tensor:
    torch.manual_seed(0)
    return torch.randn(number, size, 8) @ torch.randn(8, 8) * 3 + 2


@KINDS
def test_it_estimates_over_the_first_steps_and_then_stays(kind):
    norm, data = kind(8, steps=3), batches(5)
    assert torch.equal(norm(data[0]), data[0]) and torch.equal(norm(data[1]), data[1]) and not norm.is_estimated
    result = norm(data[2])
    whole = kind(8, steps=1)
    whole(data[:3].flatten(0, 1))
    assert norm.is_estimated
    torch.testing.assert_close(result, whole(data[2]))
    before = copy.deepcopy(norm.state_dict())
    norm(100 * data[3])
    assert all(torch.equal(value, before[name]) for name, value in norm.state_dict().items())


def test_nothing_is_estimated_in_eval_mode():
    norm, data = PHIS(8, steps=1).eval(), batches()
    assert torch.equal(norm(data[0]), data[0]) and not norm.is_estimated and norm.count == 0


@KINDS
def test_maps_tokens_and_vectors(kind):
    norm, data = kind(8, steps=1), batches(3, 20)
    norm(data)  # tokens (3, 20, 8)
    vectors = norm(data.flatten(0, 1))
    assert torch.equal(norm(data), vectors.view(3, 20, 8))
    maps = data.view(3, 4, 5, 8).permute(0, 3, 1, 2)
    torch.testing.assert_close(norm(maps), vectors.view(3, 4, 5, 8).permute(0, 3, 1, 2))
    assert norm.count == 60 and norm(maps.bfloat16()).dtype == torch.float32
    with pytest.raises(UserError, match=r'maps \(N, 8, H, W\), got \(3, 4, 5, 8\)'):
        norm(data.view(3, 4, 5, 8))


@KINDS
@pytest.mark.parametrize('stop', [1, 2, 3])
def test_a_resumed_estimate_is_the_same_bit_for_bit(kind, stop, tmp_path):
    straight, first, data = kind(8, steps=2), kind(8, steps=2), batches(4)
    results = [straight(batch) for batch in data]
    for batch in data[:stop]:
        first(batch)
    torch.save(first.state_dict(), tmp_path / 'state.pth')
    resumed = kind(8, steps=100)  # what is estimated is not estimated anew for another number of steps
    resumed.steps = 2 if stop < 2 else 100
    resumed.load_state_dict(torch.load(tmp_path / 'state.pth', weights_only=True))
    assert all(torch.equal(resumed(batch), result) for batch, result in zip(data[stop:], results[stop:], strict=True))
    assert all(torch.equal(value, straight.state_dict()[name]) for name, value in resumed.state_dict().items())


def test_an_estimate_of_another_teacher_is_refused():
    norm, data = PHIS(8, steps=1), batches()
    norm(data[0])
    other = PHIS(8, steps=1)
    other.load_state_dict(norm.state_dict())
    with pytest.raises(UserError, match='another teacher, tap or normalisation'):
        other(50 * data[1])
    other(data[1])
    other(50 * data[1])  # one look is enough: outliers may come


def test_a_checkpoint_without_an_estimate_is_refused():
    norm = PHIS(8, steps=1)
    with pytest.raises(RuntimeError, match='Missing key'):
        norm.load_state_dict({})


@pytest.mark.parametrize('value', [3., float('nan')])
def test_features_that_do_not_vary(value):
    with pytest.raises(UserError, match='finite and vary'):
        PHIS(8, steps=1)(torch.full((16, 8), value))
    with pytest.raises(UserError, match='finite and vary'):
        PHIS(8, steps=1)(torch.randn(1, 8))  # a batch of one


def test_a_running_average_of_the_model_does_not_average_it():
    model = nn.Sequential(nn.BatchNorm1d(8), PHIS(8, steps=2))
    average = RunningAverage(model, momentum=0.5)
    for batch in batches():
        model(batch)
        average.update_parameters(model)
    for name, value in model[1].state_dict().items():
        assert torch.equal(average.module[1].state_dict()[name], value)
    assert not torch.equal(average.module[0].running_mean, model[0].running_mean)


def _estimate(rank: int, folder: str) -> None:
    norm, data = PHIS(8, steps=3), batches(6, 16)
    for step in range(3):
        norm(data[2 * step + rank])
    torch.save(norm.state_dict(), Path(folder) / f'{rank}.pth')


@pytest.mark.processes
def test_two_processes_equal_one(tmp_path):
    run_ranks(_estimate, tmp_path, str(tmp_path))
    norm = PHIS(8, steps=3)
    for step in range(3):
        norm(batches(6, 16)[2 * step:2 * step + 2].flatten(0, 1))
    first, second = (torch.load(tmp_path / f'{rank}.pth', weights_only=True) for rank in range(2))
    for name, value in norm.state_dict().items():
        assert torch.equal(first[name], second[name])
        torch.testing.assert_close(first[name], value, rtol=1e-5, atol=1e-6)
