"""The demo's two trainings: equal but for the teacher."""
import pytest
import torch

from mmkd.experiments.demo import training, weights


@pytest.fixture(scope='module')
def digits():
    return training.Digits(torch.randint(256, (20, 3, 32, 32), generator=torch.Generator().manual_seed(0)).float(),
                           torch.arange(20) % 10)


@pytest.fixture
def distiller():
    return training.build_distiller(weights.shipped(weights.TEACHER), 3, 'cpu')


def same(state, other):
    return all(torch.equal(value, other[name]) for name, value in state.items())


def copy_of(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def test_the_seed_decides_the_initial_weights(distiller):
    shipped = weights.shipped(weights.TEACHER)
    assert same(distiller.state_dict(), training.build_distiller(shipped, 3, 'cpu').state_dict())
    assert not same(distiller.state_dict(), training.build_distiller(shipped, 4, 'cpu').state_dict())


def test_augmentation_moves_and_dims_but_keeps_the_range(digits):
    generator = torch.Generator().manual_seed(1)
    first, second = (training.augmented(digits.pixels, generator) for _ in range(2))
    assert first.shape == digits.pixels.shape and not torch.equal(first, second)
    assert first.min() >= 0 and first.max() <= 255
    again = training.augmented(digits.pixels, torch.Generator().manual_seed(1))
    assert torch.equal(first, again)
    ramp = torch.arange(32.).expand(1, 3, 32, 32)  # its columns differ by one: a shift of 4 at most, then two factors
    moved = training.augmented(ramp.contiguous(), generator)[0, 0, 0]
    assert (moved.diff()[8:-8] > 0).all() and moved.diff()[8:-8].std() < 1e-3


def test_rate():
    rates = [training.rate(step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(training.RATE / 10) and max(rates) == rates[10] == training.RATE
    assert rates[10:] == sorted(rates[10:], reverse=True) and rates[-1] < 2e-5


def test_alone_learns_from_labels_and_distilled_from_the_teacher_too(digits, monkeypatch):
    """Both begin with the same weights and see the same images; a term of weight 0 makes them the same."""
    ends = {}
    for kind, weight in (('alone', 4.), ('distilled', 4.), ('distilled', 0.)):
        monkeypatch.setattr(training, 'WEIGHT', weight)
        distiller = training.build_distiller(weights.shipped(weights.TEACHER), 3, 'cpu')
        initial = copy_of(distiller)
        for _ in training.train(distiller, kind, digits, 3, seed=5):
            pass
        ends[kind, weight] = copy_of(distiller)
    assert not same(initial, ends['alone', 4.]) and not same(ends['alone', 4.], ends['distilled', 4.])
    for name, value in ends['alone', 4.].items():
        torch.testing.assert_close(value, ends['distilled', 0.][name])


def test_comparison_is_repeatable(distiller, digits):
    steps = []
    first = training.compare(distiller, digits, digits, 3, 0, lambda: steps.append(1))
    again = training.compare(training.build_distiller(weights.shipped(weights.TEACHER), 3, 'cpu'), digits, digits, 3, 0)
    assert len(steps) == 6 and first.keys() == again.keys() == set(training.KINDS)
    assert all(torch.equal(first[kind], again[kind]) for kind in training.KINDS)
    assert first['alone'].shape == (20, 10) and torch.allclose(first['alone'].sum(1), torch.ones(20))


def test_steps_follow_the_time(distiller, digits):
    initial = copy_of(distiller)
    assert training.affordable_steps(distiller, digits, 1e-9) == training.LEAST
    assert training.affordable_steps(distiller, digits, 1e9) == training.MOST
    assert same(initial, distiller.state_dict())


def test_top1():
    scores = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7]])
    assert training.top1(scores, torch.tensor([0, 1, 1, 1])) == 75
