"""A term that standardises its teacher's features."""
import copy

import pytest
import torch
from torch import nn

from mmkd.standardisers import PHIS
from mmkd.utils import UserError

from ..test_distiller import optimizer_of

NORM = dict(type='mmkd.PHIS', steps=2)
TERM = dict(loss=dict(type='mmkd.FitNetLoss'), student='stage2', teacher='stage2',
            connector=dict(type='mmkd.ConvConnector'))


def terms(**changes: object) -> dict:
    return dict(fit=dict(TERM, teacher_norm=NORM, **changes))


def test_the_term_counts_nothing_until_the_estimate_is_there(build, batch):
    distiller = build(terms=terms(), task_weight=0.)
    optimizer = optimizer_of(distiller)
    before = copy.deepcopy(distiller.student.state_dict())
    log = distiller.train_step(batch, optimizer)
    assert log['loss_fit'] == 0
    weights = [name for name, _ in distiller.student.named_parameters()]
    assert all(torch.equal(distiller.student.state_dict()[name], before[name]) for name in weights)
    log = distiller.train_step(batch, optimizer)
    assert log['loss_fit'] > 0 and distiller.terms['fit'].teacher_norms[0].is_estimated
    assert not all(torch.equal(distiller.student.state_dict()[name], before[name]) for name in weights)


def test_the_loss_gets_standardised_features(build, batch):
    distiller = build(terms=terms())
    seen, optimizer = [], optimizer_of(distiller)
    distiller.terms['fit'].loss.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[1]))
    for _ in range(2):
        distiller.train_step(batch, optimizer)
    torch.testing.assert_close(seen[1].mean((0, 2, 3)), torch.zeros(32), atol=1e-3, rtol=0)
    torch.testing.assert_close(seen[1].square().mean((0, 2, 3)), torch.ones(32), atol=1e-2, rtol=0)


def test_the_dry_run_is_not_counted(build):
    norm = build(terms=terms()).terms['fit'].teacher_norms[0]
    assert norm.channels == 32 and norm.count == 0 and not norm.is_estimated


def test_a_checkpoint_has_the_estimate(build, batch):
    first, second = build(terms=terms()), build(terms=terms())
    for _ in range(2):
        first.train_step(batch, optimizer_of(first))
    state = first.state_dict()
    assert 'terms.fit.teacher_norms.0.map' in state and not any(name.startswith('teacher') for name in state)
    second.load_state_dict(state)
    assert second.terms['fit'].teacher_norms[0].is_estimated
    with pytest.raises(RuntimeError, match='Missing key.*teacher_norms.0.map'):
        build(terms=terms()).load_state_dict({name: value for name, value in state.items() if '.map' not in name})


def test_each_teacher_tap_has_its_own(build, batch):
    distiller = build(terms=terms(student=['stage1', 'stage2'], teacher=['stage1', 'stage2']))
    assert [norm.channels for norm in distiller.terms['fit'].teacher_norms] == [16, 32]
    for _ in range(2):
        log = distiller.train_step(batch, optimizer_of(distiller))
    assert log['loss_fit'].isfinite() and log['loss_fit'] > 0


@pytest.mark.parametrize(('norm', 'message'), [
    (dict(type='mmkd.ConvConnector'), "expects teacher_norm to be a standardisation .*, got ConvConnector"),
    (dict(type='mmkd.PHIS', steps=0), 'steps to be a whole number of at least 1, got 0'),
    (dict(type='mmkd.PHS'), 'PHIS'),
    (nn.Identity(), 'teacher_norm')])
def test_what_is_no_standardisation(build, norm, message):
    with pytest.raises(UserError, match=message):
        build(terms=dict(fit=dict(TERM, teacher_norm=norm)))


def test_a_tap_of_all_runs_has_no_estimate(build):
    with pytest.raises(UserError, match='Leave @all out'):
        build(terms=terms(teacher='backbone.stages.1.0@all'))


def test_several_teachers_count_the_same(build, batch, recipe):
    """Whatever the sizes of their features are: that is what PHI-S is for."""
    small, large = recipe['teacher'], copy.deepcopy(recipe['teacher'])
    both = {name: dict(TERM, teacher=f'{name}:stage2', teacher_norm=dict(NORM, steps=1)) for name in ('a', 'b')}
    distiller = build(teacher=dict(a=small, b=large), terms=both)
    with torch.no_grad():
        for parameter in distiller.teachers['b'].model.backbone.stages[1][-1].parameters():
            parameter.mul_(30)
    log = distiller.train_step(batch, optimizer_of(distiller))
    assert 0.2 < log['loss_a'] / log['loss_b'] < 5


def test_it_is_no_part_of_the_gradient(build, batch):
    distiller = build(terms=terms())
    assert not [name for name, _ in distiller.named_parameters() if 'teacher_norms' in name]
    assert isinstance(distiller.terms['fit'].teacher_norms[0], PHIS)
