"""Cosine transforms and feature distances against closed forms."""
import math

import numpy as np
import pytest
import torch

from mmkd.analysis.frequency import alternative_distances, cosine_transform, spectrum
from mmkd.utils import UserError


def random_maps(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def same(batch: torch.Tensor) -> torch.Tensor:
    return batch


def test_the_transform_is_the_sum_of_cosines():
    maps = random_maps(2, 3, 5, 4)
    rows, columns = (np.cos(math.pi * np.outer(np.arange(size), np.arange(size) + 0.5) / size) for size in (5, 4))
    for matrix, size in ((rows, 5), (columns, 4)):
        matrix *= math.sqrt(2 / size)
        matrix[0] /= math.sqrt(2)
    assert np.allclose(cosine_transform(maps), rows @ maps.numpy() @ columns.T, atol=1e-12)


def test_parseval():
    maps = random_maps(2, 3, 6, 7)
    assert np.allclose(np.square(cosine_transform(maps)).sum((2, 3)), maps.square().sum((2, 3)).numpy())


def test_a_constant_map_has_only_the_direct_component():
    found = spectrum([torch.full((2, 3, 4, 6), -2.)], same, 'it')
    expected = np.zeros((4, 6))
    expected[0, 0] = 2 * math.sqrt(24)
    assert np.allclose(found.magnitudes, expected, atol=1e-12)
    assert found.direct_share == pytest.approx(1) and found.direct_energy == pytest.approx(1)


def test_a_map_without_a_mean_has_none():
    maps = random_maps(2, 3, 4, 4)
    found = spectrum([maps - maps.mean((2, 3), keepdim=True)], same, 'it')
    assert found.direct_share == pytest.approx(0, abs=1e-12)


def test_one_wave_is_one_coefficient():
    wave = torch.cos(math.pi * 2 * (torch.arange(8).double() + 0.5) / 8).expand(1, 1, 8, 8)
    found = spectrum([wave], same, 'it')
    assert found.magnitudes.argmax() == 2 and np.allclose(np.delete(found.magnitudes, 2), 0, atol=1e-12)


def test_batches_are_averaged_over_images_and_channels():
    maps = random_maps(5, 3, 4, 4)
    found = spectrum(maps.split(2), same, 'it')
    coefficients = cosine_transform(maps)
    assert np.allclose(found.magnitudes, np.abs(coefficients).mean((0, 1))) and found.images == 5
    assert np.allclose(found.energies, np.square(coefficients).mean((0, 1)))


@pytest.mark.parametrize(('batches', 'message'), [
    ([], 'at least one image, got none'), ([torch.zeros(2, 3)], 'expects a map'),
    ([torch.full((1, 1, 2, 2), math.nan)], 'expect finite features'),
    ([torch.ones(1, 1, 2, 2), torch.ones(1, 1, 3, 2)], 'expect maps of one size')])
def test_no_spectrum(batches, message):
    with pytest.raises(UserError, match=message):
        spectrum(batches, same, 'it')


def test_distances_do_not_see_the_mean_nor_the_scale():
    teacher = random_maps(4, 6, 3, 3)
    shift = random_maps(4, 6, 1, 1)
    assert torch.allclose(alternative_distances(2 * teacher + shift, teacher), torch.zeros(4, dtype=torch.float64))
    assert torch.allclose(alternative_distances(-teacher, teacher), torch.full((4, ), 2., dtype=torch.float64))
    longer = alternative_distances(2 * teacher + shift, teacher, normalised=False)
    alone = teacher - teacher.mean((2, 3), keepdim=True)
    assert torch.allclose(longer, alone.square().sum(1).mean((1, 2)).sqrt())


def test_unrelated_directions_are_the_root_of_two_apart():
    student, teacher = random_maps(2 * 2, 4000, 3, 3).chunk(2)
    assert torch.allclose(alternative_distances(student, teacher), torch.tensor(2.).sqrt().double(), atol=0.02)


def test_distances_by_hand():
    student, teacher = random_maps(2, 1, 3, 2, 2)
    a, b = ((value - value.mean((2, 3), keepdim=True)).numpy() for value in (student, teacher))
    a, b = (value / np.linalg.norm(value, axis=1, keepdims=True) for value in (a, b))
    total = sum(np.linalg.norm(a[0, :, i, j] - b[0, :, i, j])**2 for i in range(2) for j in range(2))
    assert alternative_distances(student, teacher).item() == pytest.approx(math.sqrt(total / 4))


@pytest.mark.parametrize(('student', 'teacher', 'message'), [
    ((1, 2, 3, 3), (1, 3, 3, 3), 'of one shape, got (1, 2, 3, 3) of the student'), ((1, 2), (1, 2), 'expect two maps'),
    ((1, 2, 1, 1), (1, 2, 1, 1), 'expect maps of several positions')])
def test_no_distances(student, teacher, message):
    with pytest.raises(UserError) as caught:
        alternative_distances(torch.zeros(student), torch.zeros(teacher))
    assert message in str(caught.value)
