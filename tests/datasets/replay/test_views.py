"""Indices that know their epoch, seeds and checksums."""
import pickle
import random
import zlib

import numpy as np
import pytest
import torch

from mmkd.datasets.replay.views import ViewIndex, checksum, kept_generators, seed_generators, words_of


def draws() -> tuple:
    return random.random(), np.random.random_sample(), torch.rand(()).item()


def test_an_index_keeps_its_epoch_on_the_way_to_a_worker():
    index = pickle.loads(pickle.dumps([ViewIndex(7, 3)]))[0]
    assert index == 7 and index.epoch == 3 and list(range(10))[index] == 7 and type(int(index)) is int


def test_seeds_follow_from_all_three_numbers():
    numbers = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (0, 1, 1), (0, 0, 2**31), (2**31, 0, 0)]
    found = []
    for each in numbers:
        words = words_of(*each)
        assert words == words_of(*each) and len(words) == 5
        seed_generators(words)
        found.append((*draws(), *words))
        assert draws() != found[-1][:3]
        seed_generators(words)
        assert draws() == found[-1][:3]
    for generator in zip(*found, strict=True):
        assert len(set(generator)) == len(numbers)


def test_seeds_are_the_same_for_ever():
    """The views of a cache have to come back on another machine, with other versions."""
    assert words_of(0, 1, 2) == [648178947, 424065687, 1822531099, 3754744930, 264996996]
    seed_generators([1, 2, 3])
    assert draws() == pytest.approx((0.9560342718892494, 0.417022004702574, 0.004263520240783691))


def test_generators_are_put_back_even_after_an_error():
    expected, state = None, (random.getstate(), np.random.get_state(), torch.get_rng_state())
    expected = draws()
    random.setstate(state[0]), np.random.set_state(state[1]), torch.set_rng_state(state[2])
    with pytest.raises(KeyError), kept_generators():
        seed_generators([0, 0, 0])
        raise KeyError
    assert draws() == expected


def test_a_checksum_is_that_of_pixels_type_and_shape():
    pixels = torch.arange(24, dtype=torch.uint8).reshape(2, 3, 4)
    head = zlib.crc32(b'torch.uint8(2, 3, 4)')
    assert checksum(pixels) == zlib.crc32(bytes(range(24)), head)
    other = pixels.clone()
    other[1, 2, 3] += 1
    view = pixels.permute(0, 2, 1).contiguous().permute(0, 2, 1)  # the same pixels, otherwise in memory
    assert checksum(view) == checksum(pixels)
    assert len({checksum(each) for each in (pixels, other, pixels.float(), pixels.reshape(3, 2, 4),
                                            [pixels, pixels], [pixels], pixels.permute(0, 2, 1))}) == 6
    assert checksum([pixels]) == checksum(pixels)
