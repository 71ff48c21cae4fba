"""CKA against its formula, written once more in numpy."""
import numpy as np
import pytest
import torch

from mmkd.analysis.cka import MinibatchCKA, at_positions, channel_groups, gram_matrix, one_hot_labels
from mmkd.utils import UserError


def hsic(x: np.ndarray, y: np.ndarray) -> float:
    """The unbiased estimate as the paper prints it."""
    k, l, count = x @ x.T, y @ y.T, len(x)  # noqa: E741
    np.fill_diagonal(k, 0)
    np.fill_diagonal(l, 0)
    one = np.ones(count)
    return (np.trace(k @ l) + (one @ k @ one) * (one @ l @ one) / ((count - 1) * (count - 2))
            - 2 / (count - 2) * (one @ k @ l @ one)) / (count * (count - 3))


def formula(batches: list[tuple[np.ndarray, np.ndarray]]) -> float:
    between, first, second = (sum(hsic(*pair) for pair in pairs) for pairs in (
        batches, [(x, x) for x, _ in batches], [(y, y) for _, y in batches]))
    return between / np.sqrt(first * second)


def cka(*batches: tuple[torch.Tensor, torch.Tensor]) -> float:
    measure = MinibatchCKA()
    for x, y in batches:
        measure.update(dict(x=x), dict(y=y))
    return float(measure.result().values[0, 0])


@pytest.fixture
def data() -> tuple[torch.Tensor, torch.Tensor]:
    """Two features of 24 images that have something in common."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(24, 10, generator=generator, dtype=torch.float64)
    return x, x[:, :6] @ torch.randn(6, 7, generator=generator, dtype=torch.float64).sin() + 0.5 * torch.randn(
        24, 7, generator=generator, dtype=torch.float64) + 3


def test_one_batch_is_the_formula_of_the_whole(data):
    x, y = data
    assert 0.1 < cka((x, y)) < 0.99
    assert cka((x, y)) == pytest.approx(formula([(x.numpy(), y.numpy())]), rel=1e-12)


def test_sums_over_batches_come_before_the_ratio(data):
    x, y = data
    batches = list(zip(x.split(8), y.split(8), strict=True))
    expected = formula([(one.numpy(), other.numpy()) for one, other in batches])
    assert cka(*batches) == pytest.approx(expected, rel=1e-12)
    assert cka(*batches) != pytest.approx(np.mean([cka(batch) for batch in batches]), rel=1e-3)


def test_the_unbiased_estimate_is_about_zero_for_independent_features():
    """With so many more dimensions than images the biased one is near 1."""
    generator = torch.Generator().manual_seed(1)
    pairs = [torch.randn(2, 16, 1000, generator=generator) for _ in range(40)]
    assert abs(cka(*[tuple(pair) for pair in pairs])) < 0.05


def test_with_itself_it_is_one_and_rotation_scale_and_shift_change_nothing(data):
    x, y = data
    assert cka((x, x)) == pytest.approx(1, abs=1e-12)
    rotation, _ = torch.linalg.qr(torch.randn(7, 7, generator=torch.Generator().manual_seed(2), dtype=torch.float64))
    assert cka((x, -5 * y @ rotation + 2)) == pytest.approx(cka((x, y)), rel=1e-9)
    skew = torch.diag(torch.arange(1, 8).double()**2)
    assert cka((x, y @ skew)) != pytest.approx(cka((x, y)), rel=1e-2)  # any linear map would


def test_all_pairs_at_once(data):
    x, y = data
    measure = MinibatchCKA()
    measure.update(dict(x=x, y=y), dict(y=y, x=x, z=x[:, :3]))
    result = measure.result()
    assert (result.rows, result.columns, result.batches) == (['x', 'y'], ['y', 'x', 'z'], 1)
    assert np.allclose(result.values[:, :2], [[cka((x, y)), 1], [1, cka((x, y))]])
    assert result.values[1, 2] == pytest.approx(cka((y, x[:, :3])), rel=1e-12)


def test_a_constant_feature_has_none(data):
    x, _ = data
    assert np.isnan(cka((x, torch.zeros(24, 3))))


def test_gram_matrices_are_float64_and_come_in_pieces(monkeypatch):
    monkeypatch.setattr('mmkd.analysis.cka.CHUNK', 50)
    feature = torch.randn(6, 5, 3, 3, generator=torch.Generator().manual_seed(0))
    flat = feature.flatten(1).double()
    assert gram_matrix(feature).dtype == torch.float64
    assert torch.allclose(gram_matrix(feature), flat @ flat.T, rtol=1e-14)


@pytest.mark.parametrize('count', [1, 3])
def test_too_few_images(count):
    with pytest.raises(UserError, match=f'batches of at least 4 images, got {count}'):
        cka((torch.randn(count, 2), torch.randn(count, 2)))
    with pytest.raises(UserError, match='at least one full batch'):
        MinibatchCKA().result()


def test_positions_of_a_map():
    feature = torch.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    few = at_positions(feature, 6, seed=1)
    assert few.shape == (2, 3, 6) and torch.equal(few[1] - few[0], torch.full((3, 6), 60))
    assert torch.equal(few, at_positions(feature, 6, seed=1)) and not torch.equal(few, at_positions(feature, 6, seed=2))
    assert at_positions(feature, None) is feature and at_positions(feature, 20) is feature
    vector = torch.zeros(2, 9)
    assert at_positions(vector, 3) is vector


def test_groups_of_channels():
    feature = torch.arange(14).reshape(1, 14, 1, 1)
    groups = channel_groups('stage1', feature, 4)
    assert list(groups) == [f'stage1 group {number}' for number in (1, 2, 3, 4)]
    assert [group.flatten().tolist() for group in groups.values()] == [
        [0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11, 12, 13]]
    with pytest.raises(UserError, match='15 groups expect at least 15 channels, got 14 of stage1'):
        channel_groups('stage1', feature, 15)


def test_labels_as_features():
    assert one_hot_labels(torch.tensor([2, 0]), 4).tolist() == [[0, 0, 1, 0], [1, 0, 0, 0]]
    assert one_hot_labels(torch.tensor([2, 0])).shape == (2, 3)
