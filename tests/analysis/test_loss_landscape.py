"""Loss landscapes against closed forms."""
import copy
import time

import numpy as np
import pytest
import torch
from torch import nn

from mmkd.analysis.loss_landscape import (
    Evaluation,
    Mover,
    batch_mean,
    cross_entropy,
    grid_steps,
    loss_landscape,
    one_thread_a_copy,
    random_direction,
    recompute_statistics,
    weights_restored,
)
from mmkd.utils import UserError

from ..processes import run_ranks


def network() -> nn.Sequential:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Dropout(0.5), nn.AdaptiveAvgPool2d(1),
                        nn.Flatten(), nn.Linear(6, 4))
    with torch.no_grad():
        net[1].running_mean.normal_()
        net[0].weight[0] = 0
    return net.eval()


def batches(count: int = 2) -> list[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(1)
    return [(torch.randn(4 - i, 3, 8, 8, generator=generator), torch.arange(4 - i)) for i in range(count)]


def directions(net: nn.Module, number: int = 2) -> list[dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(2)
    return [random_direction(net, generator) for _ in range(number)]


def bits(net: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in net.state_dict().items()}


def same_bits(net: nn.Module, before: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(value.reshape(-1).view(torch.uint8), before[name].reshape(-1).view(torch.uint8))
               for name, value in net.state_dict().items())


def test_the_landscape_of_a_quadratic_is_the_quadratic():
    net = nn.Linear(5, 3, bias=False).double()
    first, second = directions(net)
    a, b, w = first['weight'], second['weight'], net.weight.detach()
    steps = grid_steps(7, 2.)
    plane = loss_landscape([Evaluation(net, lambda: float((net.weight**2).sum().detach()))], [first, second], steps)
    x, y = torch.from_numpy(steps)[:, None], torch.from_numpy(steps)[None]
    dot = lambda left, right: (left * right).sum()  # noqa: E731
    expected = (dot(w, w) + x**2 * dot(a, a) + y**2 * dot(b, b) + 2 * x * dot(w, a) + 2 * y * dot(w, b)
                + 2 * x * y * dot(a, b))
    assert np.allclose(plane.losses, expected.detach().numpy(), rtol=1e-12)
    line = loss_landscape([Evaluation(net, lambda: float((net.weight**2).sum().detach()))], [second], steps)
    assert np.allclose(line.losses, plane.losses[3])


def test_directions_have_the_norm_of_each_filter():
    net = network()
    direction, again = directions(net, 1)[0], directions(net, 1)[0]
    for name, weight in net.named_parameters():
        if weight.dim() == 1:
            assert not direction[name].any()
            continue
        lengths, goal = (t.detach().flatten(1).norm(dim=1) for t in (direction[name], weight))
        assert torch.allclose(lengths, goal, rtol=1e-5) and torch.equal(direction[name], again[name])
    assert not direction['0.weight'][0].any()  # of a filter that is zero
    assert not torch.equal(*(d['0.weight'] for d in directions(net)))


def test_the_middle_is_the_evaluated_loss_to_the_last_bit():
    net, data = network(), batches()
    evaluate = lambda: cross_entropy(net, data)  # noqa: E731
    before = evaluate()
    plane = loss_landscape([Evaluation(net, evaluate)], directions(net), grid_steps(5))
    assert plane.centre == before == plane.losses[2, 2] and len(set(plane.losses.flatten())) == 25
    images, labels = (torch.cat(parts) for parts in zip(*data))
    assert before == pytest.approx(nn.functional.cross_entropy(net(images), labels).item())


@pytest.mark.parametrize('error', [KeyboardInterrupt, RuntimeError])
def test_every_bit_is_put_back_even_when_interrupted(error):
    net, data, calls = network(), batches(), []
    with torch.no_grad():
        net[6].bias[0] = -0.
        net[6].weight[0, 0] = float('nan')
    before, momentum = bits(net), net[1].momentum

    def evaluate() -> float:
        calls.append(net[0].weight.clone())
        if len(calls) == 3:
            net.train()
            raise error
        return 0.

    with pytest.raises(error):
        loss_landscape([Evaluation(net, evaluate, lambda: recompute_statistics(
            net, lambda: [net(images) for images, _ in data]))], directions(net), grid_steps(3))
    assert not torch.equal(calls[-1], before['0.weight'])
    assert same_bits(net, before) and net[1].momentum == momentum and not net.training and not net[1].training


def test_statistics_are_left_alone_or_recomputed():
    net, data = network(), batches()
    seen = []
    def run() -> None:
        seen.append([net(images) for images, _ in data])
        assert not net[3].training  # dropout stays off

    with weights_restored(net), torch.no_grad():
        recompute_statistics(net, run)
        features = [net[0](images) for images, _ in data]
        means = torch.stack([part.mean((0, 2, 3)) for part in features]).mean(0)
        assert torch.allclose(net[1].running_mean, means, atol=1e-6) and not net[1].training
        assert net[1].momentum == 0.1
    kept, old = [], net[1].running_mean.clone()
    loss_landscape([Evaluation(net, lambda: kept.append(net[1].running_mean.clone()) or 0.)], directions(net),
                   grid_steps(3))
    assert all(torch.equal(mean, old) for mean in kept)


def test_points_do_not_drift():
    net = network()
    way = directions(net)
    with weights_restored(net) as weights:
        move = Mover(net, weights, way)
        for steps in ([0.3, -0.7], [0.9, 0.1], [0.3, -0.7]):
            move(steps)
            last = net[0].weight.clone() if steps[0] == 0.3 else None
        first = weights['0.weight'] + 0.3 * way[0]['0.weight'] - 0.7 * way[1]['0.weight']
        assert torch.allclose(last, first, atol=1e-6)
        move([0., 0.])
        assert same_bits(net, {**bits(net), **weights})


def test_grids():
    assert grid_steps(5, 2.).tolist() == [-2, -1, 0, 1, 2] and len(grid_steps(51)) == 51 and grid_steps(51)[25] == 0
    assert (grid_steps(51) == -grid_steps(51)[::-1]).all()
    for points, extent in ((4, 1.), (1, 1.), (5, 0.), (5, float('inf'))):
        with pytest.raises(UserError, match='--points expects an odd|--extent expects a positive'):
            grid_steps(points, extent)
    with pytest.raises(UserError, match='one or two directions'):
        loss_landscape([Evaluation(network(), lambda: 0.)], [], grid_steps(3))


def test_a_mean_over_images_and_not_over_batches():
    data = [(torch.zeros(3, 1), torch.zeros(3)), (torch.ones(1, 1), torch.zeros(1))]
    assert batch_mean(lambda images, _: images.mean(), data) == 0.25


def test_the_points_take_little_more_than_the_evaluations():
    """Of 64 images of 32×32 by a small network; the best of several tries, as other programs take their share."""
    net = nn.Sequential(nn.Conv2d(3, 32, 3), nn.GELU(), nn.Conv2d(32, 32, 3), nn.GELU(), nn.AdaptiveAvgPool2d(1),
                        nn.Flatten(), nn.Linear(32, 4)).eval()
    data, way = [(torch.randn(64, 3, 32, 32), torch.arange(64) % 4)], directions(net)
    tries = (loss_landscape([Evaluation(net, lambda: cross_entropy(net, data))], way, grid_steps(5)) for _ in range(5))
    ratios = []
    for each in tries:
        assert 0 < each.evaluating <= each.seconds
        ratios.append(each.seconds / each.evaluating)
        if ratios[-1] <= 1.05:
            break
    assert min(ratios) <= 1.05, ratios


def copies(net: nn.Module, data: list, number: int = 2) -> list[Evaluation]:
    """Evaluations of copies, each with its own running statistics to be recomputed."""
    def evaluation(each: nn.Module) -> Evaluation:
        return Evaluation(each, lambda: cross_entropy(each, data), lambda: recompute_statistics(
            each, lambda: [each(images) for images, _ in data]))

    return [evaluation(net), *(evaluation(copy.deepcopy(net)) for _ in range(number - 1))]


def test_copies_share_the_points_and_give_the_same_bits():
    net, data = network(), batches()
    before, threads = bits(net), torch.get_num_threads()
    with one_thread_a_copy(3):
        assert torch.get_num_threads() == 1
        alone = loss_landscape(copies(net, data, 1), directions(net), grid_steps(5))
        seen = []
        shared = loss_landscape(copies(net, data, 3), directions(net), grid_steps(5),
                                lambda points: (seen.append(point) or point for point in points))
    assert torch.get_num_threads() == threads and same_bits(net, before)
    assert np.array_equal(alone.losses, shared.losses) and len(seen) == len(set(seen)) == 25
    assert 0 < shared.evaluating <= shared.seconds


@pytest.mark.parametrize('failing', [0, 1])
def test_a_copy_that_fails_stops_all_and_every_bit_is_put_back(failing):
    net, data, calls = network(), batches(), []
    evaluations = copies(net, data)
    befores = [bits(each.model) for each in evaluations]

    def fail() -> float:
        raise RuntimeError('no memory')

    def count() -> float:
        calls.append(time.sleep(0.01))
        return 0.

    losses = [count, count]
    losses[failing] = fail
    with pytest.raises(RuntimeError, match='no memory'):
        loss_landscape([each._replace(loss=loss) for each, loss in zip(evaluations, losses)], directions(net),
                       grid_steps(51))
    assert len(calls) < 100
    assert all(same_bits(each.model, before) for each, before in zip(evaluations, befores))


def landscape_of_a_rank(rank: int, expected: list) -> None:
    net, data = network(), batches()
    found = loss_landscape([Evaluation(net, lambda: cross_entropy(net, data))], directions(net), grid_steps(5))
    assert found.losses.tolist() == expected


@pytest.mark.processes
def test_points_are_spread_over_processes(tmp_path):
    net, data = network(), batches()
    alone = loss_landscape([Evaluation(net, lambda: cross_entropy(net, data))], directions(net), grid_steps(5))
    run_ranks(landscape_of_a_rank, tmp_path, alone.losses.tolist())
