"""Closed forms of how long messages take."""
import pytest

from mmkd.benchmarks.scaling.messages import Message
from mmkd.benchmarks.scaling.network import Network

NETWORK = Network(gpus_per_node=8, inside=400e9, between=10e9, latency=1e-5)


def test_a_ring_sends_twice_all_but_its_own_part():
    assert NETWORK.all_reduce(400_000_000, 4) == pytest.approx(2 * 3 / 4 * 1e-3 + 2 * 3 * 1e-5)
    assert NETWORK.all_reduce(10_000_000_000, 64) == pytest.approx(2 * 63 / 64 + 2 * 63 * 1e-5)


def test_small_messages_take_a_tree():
    assert NETWORK.all_reduce(4, 64) == pytest.approx(2 * 6 * 1e-5, rel=1e-3)
    assert NETWORK.all_reduce(4, 48) == NETWORK.all_reduce(4, 64)  # as many levels
    assert NETWORK.all_reduce(4, 2) == pytest.approx(2e-5, rel=1e-3)


def test_what_all_others_bring_passes_a_ring():
    assert NETWORK.all_gather(1_000_000, 16) == pytest.approx(15 * (1e-4 + 1e-5))
    assert NETWORK.seconds(Message('CRD', 'all-gather', 1_000_000), 16) == NETWORK.all_gather(1_000_000, 16)
    assert NETWORK.seconds(Message('gradients', 'all-reduce', 1_000_000), 16) == NETWORK.all_reduce(1_000_000, 16)


def test_machines_are_slower_than_their_inside_and_one_gpu_sends_nothing():
    assert NETWORK.bandwidth(8) == 400e9 and NETWORK.bandwidth(9) == 10e9
    assert Network(8, 1e9, 10e9, 0).bandwidth(16) == 1e9
    assert all(NETWORK.seconds(Message('', kind, 10**9), 1) == 0 for kind in ('all-reduce', 'all-gather'))
