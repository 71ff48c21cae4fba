"""Weights that change in the course of training."""
import math

import pytest
import torch
from mmengine.logging import MessageHub

from mmkd.distillers.schedule import Progress, WeightSchedule
from mmkd.utils import UserError

from .test_distiller import optimizer_of


def weights(epochs: int, **schedule) -> list[float]:
    weight = WeightSchedule.of(schedule)
    return [weight.at(Progress(epoch, 0, epochs, 0)) for epoch in range(epochs)]


def test_constant_and_warm_up():
    assert WeightSchedule.of(0.5).at(Progress()) == 0.5
    assert weights(5, value=2.0, warmup=4) == [0.5, 1.0, 1.5, 2.0, 2.0]


def test_decays():
    assert weights(5, decay='linear') == [1.0, 0.8, 0.6, pytest.approx(0.4), pytest.approx(0.2)]
    assert weights(6, decay='linear', decay_from=2, stop=4) == [1.0, 1.0, 1.0, 0.5, 0.0, 0.0]
    cosine = weights(4, decay='cosine')
    assert cosine == [pytest.approx((1 + math.cos(math.pi * i / 4)) / 2) for i in range(4)]


def test_stop_and_iterations():
    assert weights(4, stop=2) == [1.0, 1.0, 0.0, 0.0]
    weight = WeightSchedule.of(dict(value=3.0, warmup=10, by_epoch=False))
    assert [weight.at(Progress(0, done, 1, 20)) for done in (0, 4, 9, 19)] == [
        pytest.approx(value) for value in (0.3, 1.5, 3.0, 3.0)]


@pytest.mark.parametrize(('weight', 'message'), [
    (-1.0, 'finite number of at least 0, got -1.0'), (float('nan'), 'got nan'), ('1', "got '1'"),
    (dict(value=1, warm_up=3), "got 'warm_up'. Did you mean warmup"), (dict(decay='step'), 'linear, cosine'),
    (dict(warmup=5, stop=5), 'warmup, decay_from < stop'),
    (dict(decay_from=-1), 'decay_from to be a whole number of at least 0, got -1'),
    (dict(warmup=None), 'warmup .* got None'), (dict(stop=float('nan')), 'stop .* got nan'),
    (dict(by_epoch='no'), "by_epoch .* got 'no'"), (None, 'got None'), (True, 'got True')])
def test_bad_weights(build, recipe, weight, message):
    recipe['terms']['nkd']['weight'] = weight
    with pytest.raises(UserError, match=f"term 'nkd': weight expects .*{message}"):
        build(terms=recipe['terms'])


def test_a_schedule_past_the_end():
    with pytest.raises(UserError, match='within the 10 epochs of the training, got one up to 11'):
        WeightSchedule.of(dict(stop=11)).check(Progress(max_epochs=10, max_iters=100))
    with pytest.raises(UserError, match='counts epochs, but the training does not. Set by_epoch=False'):
        WeightSchedule.of(dict(warmup=3)).check(Progress(max_iters=100))
    WeightSchedule.of(dict(warmup=3, stop=10, decay='cosine')).check(Progress(max_epochs=10))
    WeightSchedule.of(1.0).check(Progress())


@pytest.fixture
def hub():
    """The message hub that a Runner would fill."""
    hub = MessageHub.get_instance('schedules')
    for name in ('epoch', 'iter', 'max_epochs', 'max_iters'):
        hub.update_info(name, 0)
    hub.update_info('loop_stage', 'train')
    yield hub
    hub.pop_info('loop_stage')


def test_a_run_that_has_ended_counts_no_more(hub):
    hub.update_info('epoch', 3)
    assert Progress.current() == Progress(epoch=3)
    hub.pop_info('loop_stage')  # as MMEngine does after training, validating and testing
    assert Progress.current() == Progress()


def test_a_stopped_term_is_not_computed_nor_its_teacher_run(build, batch, recipe, hub):
    recipe['terms']['nkd']['weight'] = dict(stop=2)
    distiller = build(terms=dict(nkd=recipe['terms']['nkd']))
    runs = []
    distiller.teachers['teacher'].model.backbone.register_forward_hook(lambda *_: runs.append(1))
    logs = []
    for epoch in (1, 2):
        hub.update_info('epoch', epoch)
        logs.append(distiller.train_step(batch, optimizer_of(distiller)))
    assert len(runs) == 1 and logs[0]['loss_nkd'] > 0 and logs[1]['loss_nkd'] == 0


def test_a_stopped_term_with_a_connector_still_gives_gradients(build, batch, recipe, hub):
    recipe['terms']['fd']['weight'] = dict(stop=2)
    distiller = build(terms=recipe['terms'])
    hub.update_info('epoch', 2)
    distiller(**distiller.data_preprocessor(batch, True), mode='loss')['loss_fd'].backward()
    assert torch.equal(distiller.terms['fd'].connectors[0].conv.weight.grad.norm(), torch.tensor(0.))
