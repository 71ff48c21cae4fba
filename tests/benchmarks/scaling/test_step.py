"""Closed forms of a step on several GPUs."""
from dataclasses import replace

import pytest

from mmkd.benchmarks.scaling.messages import CHECK, CRD, GATHER, GRADIENTS, NORMS, REDUCE, Message
from mmkd.benchmarks.scaling.network import Network
from mmkd.benchmarks.scaling.step import Step, needed_bandwidth, not_hidden, scale

NETWORK = Network(8, 400e9, 10e9, 0.)
BUCKETS = [Message(GRADIENTS, REDUCE, 10**8)] * 4
OTHERS = [Message(NORMS, GATHER, 10**6), Message(CRD, GATHER, 10**7), Message(CHECK, REDUCE, 4)]
STEP = Step(batch=100, student=.3, teacher=.1, terms=.02, backward=.2, messages=(*BUCKETS, *OTHERS), accumulated=1,
            images_per_core=100., cores=5., view_bytes=76)


def test_only_the_last_bucket_shows_where_all_are_quick():
    assert not_hidden([.01, .02, .05, .03], .2) == pytest.approx(.03)


def test_a_queue_of_slow_buckets_begins_with_the_first():
    assert not_hidden([.1, .2, .3, .1], .2) == pytest.approx(.05 + .7 - .2)
    assert not_hidden([.01, .3, .01, .01], .2) == pytest.approx(.1 + .3 + .02 - .2)  # the second holds up the others


def test_no_buckets_and_one():
    assert not_hidden([], .2) == 0 and not_hidden([.4], .2) == pytest.approx(.4)


def test_the_parts_of_a_step():
    scaled = scale(STEP, NETWORK, 16)
    bucket = 2 * 15 / 16 * .01
    assert scaled.parts == pytest.approx({
        'student': .3, 'teacher': .1, 'terms': .02, 'gradients': bucket, 'synchronised norms': 15e-4, 'CRD': 15e-3,
        'check for NaN': 2 * 15 / 16 * 4e-10, 'loading': 0}, abs=1e-12)
    assert scaled.seconds == pytest.approx(sum(scaled.parts.values())) and scaled.images == 1600
    assert scaled.rate == pytest.approx(1600 / scaled.seconds) and scaled.bottleneck == 'student'
    assert scaled.cores == pytest.approx(100 / scaled.seconds / 100)


def test_one_gpu_sends_nothing():
    assert scale(STEP, NETWORK, 1).seconds == pytest.approx(STEP.alone) == pytest.approx(.42)


def test_gradients_are_sent_once_an_update():
    every, fourth = (scale(replace(STEP, accumulated=number), NETWORK, 16) for number in (1, 4))
    assert fourth.parts['gradients'] == pytest.approx(every.parts['gradients'] / 4)
    assert fourth.parts['CRD'] == every.parts['CRD']


@pytest.mark.parametrize(('cores', 'seconds'), [(5., .42), (1., 1.), (2., .5)])
def test_a_step_waits_for_what_loads_too_slowly(cores, seconds):
    scaled = scale(replace(STEP, cores=cores), NETWORK, 1)
    assert scaled.seconds == pytest.approx(seconds) and scaled.parts['loading'] == pytest.approx(seconds - .42)
    assert (scaled.bottleneck == 'loading') == (cores < 5) and scaled.cores == pytest.approx(100 / .42 / 100)


def test_a_cache_saves_the_teacher_unless_the_step_waits_for_images():
    assert scale(STEP.without_teacher(), NETWORK, 1).seconds == pytest.approx(.32)
    slow = replace(STEP, cores=2.)
    assert scale(slow.without_teacher(), NETWORK, 1).seconds == scale(slow, NETWORK, 1).seconds
    assert not STEP.without_teacher().gains_from_cache and STEP.gains_from_cache
    assert not replace(STEP, view_bytes=None).gains_from_cache


def test_a_slow_network_becomes_the_bottleneck():
    assert scale(STEP, replace(NETWORK, between=.5e9), 64).bottleneck == 'gradients'


def test_at_the_needed_bandwidth_messages_take_the_share():
    found = needed_bandwidth(STEP, NETWORK, 64, .05)
    scaled = scale(STEP, replace(NETWORK, between=found), 64)
    sent = sum(scaled.parts[name] for name in (GRADIENTS, NORMS, CRD, CHECK))
    assert sent / scaled.seconds == pytest.approx(.05, rel=.01)
    assert needed_bandwidth(STEP, NETWORK, 8) == 0
    assert needed_bandwidth(STEP, replace(NETWORK, latency=.1), 64) is None
    assert needed_bandwidth(STEP, replace(NETWORK, latency=.1), 8) is None
