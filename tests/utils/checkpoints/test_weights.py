"""Which weights of a file are taken, and under which names."""

import pytest
import torch
from torch import nn

from mmkd.utils import UserError
from mmkd.utils.checkpoints.reading import compare, load_strictly
from mmkd.utils.checkpoints.weights import choose_weights, plain, split_choice, validated_kinds, weights_of

RAW, EMA = ({'backbone.weight': torch.full((2, ), value), 'head.weight': torch.full((1, ), value)}
            for value in (1., 2.))


def with_prefix(prefix: str, weights: dict) -> dict:
    return {f'{prefix}{name}': value for name, value in weights.items()}


def mmengines(**meta: str) -> dict:
    return dict(state_dict=EMA, ema_state_dict=dict(steps=torch.tensor(3), **with_prefix('module.', RAW)), meta=meta)


def value(weights: dict) -> float:
    assert weights.keys() == RAW.keys()
    return weights['backbone.weight'][0].item()


@pytest.mark.parametrize(('checkpoint', 'which', 'expected'), [
    (mmengines(), None, 2), (mmengines(validated_weights='ema'), None, 2),
    (mmengines(validated_weights='raw'), None, 1),
    (mmengines(validated_weights='both'), None, 2), (mmengines(validated_weights='ema'), 'raw', 1),
    (mmengines(validated_weights='raw'), 'ema', 2), (dict(model=RAW, model_ema=EMA), None, 1),
    (dict(model=RAW, model_ema=EMA), 'ema', 2), (dict(state_dict=RAW, state_dict_ema=EMA), 'ema', 2),
    (dict(model_ema=EMA, epoch=3), None, 2), (dict(model_ema=with_prefix('module.', EMA)), None, 2),
    (dict(state_dict=RAW, meta=dict(validated_weights='ema')), None, 1),  # which it does not hold
])
def test_raw_or_averaged(checkpoint, which, expected):
    chosen = choose_weights(checkpoint, 'x.pth', which)
    assert value(chosen.tensors) == expected and chosen.kind == ('raw' if expected == 1 else 'ema')
    assert ('raw weights are taken' if expected == 1 else '(EMA) weights are taken') in chosen.said


def test_what_is_not_there_cannot_be_chosen():
    with pytest.raises(UserError, match=r'expects the averaged \(EMA\) weights, and has only the raw weights'):
        choose_weights(dict(state_dict=RAW), 'x.pth', 'ema')
    with pytest.raises(UserError, match='expects the raw weights'):
        choose_weights(dict(model_ema=EMA), 'x.pth', 'raw')


def test_which_are_taken_is_logged(monkeypatch):
    said = []
    monkeypatch.setattr('mmkd.utils.checkpoints.weights.print_log', lambda text, **_: said.append(text))
    weights_of(dict(model=RAW, model_ema=EMA), 'x.pth')
    weights_of(dict(model_ema=EMA), 'y.pth')
    weights_of(dict(model=RAW), 'z.pth')
    assert said == ['x.pth: the raw weights are taken, those in the usual place (x.pth#ema names the averaged (EMA) '
                    'weights).', 'y.pth: the averaged (EMA) weights are taken, the only ones in it.']


@pytest.mark.parametrize('wrapped', [
    with_prefix('_orig_mod.', RAW), with_prefix('module._orig_mod.', RAW), with_prefix('_orig_mod.module.', RAW),
    with_prefix('module.module.', RAW), {name.replace('.', '._orig_mod.'): tensor for name, tensor in RAW.items()},
    with_prefix('model.', RAW), with_prefix('student.', RAW) | {'terms.fd.weight': torch.ones(1)},
    with_prefix('module.student.', RAW), with_prefix('student.model.', RAW), with_prefix('model._orig_mod.', RAW)])
def test_prefixes_of_wrappers(wrapped):
    assert value(weights_of(dict(state_dict=wrapped), '')) == 1 and value(weights_of(wrapped, '')) == 1


def test_lightning(monkeypatch):
    state = with_prefix('model.', RAW) | {'criterion.weight': torch.ones(3)}
    checkpoint = {'pytorch-lightning_version': '2.4', 'state_dict': state, 'hyper_parameters': dict(lr=1)}
    assert value(weights_of(checkpoint, '')) == 1


@pytest.mark.parametrize(('checkpoint', 'message'), [
    ([1], 'dict of tensors, got list'), (torch.ones(1), 'got Tensor'), (None, 'got NoneType'), ({}, 'no tensors'),
    (dict(state_dict={1: 2}), 'no tensors'), (dict(meta='x', state_dict=dict(a='b')), 'no tensors')])
def test_no_weights(checkpoint, message):
    with pytest.raises(UserError, match=message):
        weights_of(checkpoint, 'x.pth')


@pytest.mark.parametrize(('value', 'kind'), [
    (torch.ones(3, device='meta'), r'without data \(meta\)'), (torch.ones(3).to_sparse(), 'torch.sparse_coo'),
    (torch.quantize_per_tensor(torch.ones(3), 1., 0, torch.qint8), 'quantised')], ids=['meta', 'sparse', 'quantised'])
def test_tensors_without_plain_data_are_refused(value, kind):
    with pytest.raises(UserError, match=f"x.pth expects dense tensors of numbers, got 'w', which is {kind}"):
        choose_weights(dict(state_dict=dict(w=value)), 'x.pth')


@pytest.mark.parametrize('prefix', ['module.', '_orig_mod.', 'module._orig_mod.'])
def test_two_tensors_that_become_one_are_refused(prefix):
    state = {'student.w': torch.ones(2), f'{prefix}student.w': torch.zeros(2)}
    with pytest.raises(UserError, match="x.pth expects each tensor once, got several that are 'student.w'"):
        choose_weights(dict(state_dict=state), 'x.pth')


def test_choice_in_a_name_and_what_was_validated():
    assert split_choice('a/b.pth#raw') == ('a/b.pth', 'raw') and split_choice('a#1.pth') == ('a#1.pth', None)
    assert validated_kinds(mmengines(validated_weights='both')) == ('ema', 'raw')
    assert validated_kinds(dict(meta=None)) == validated_kinds(dict(meta=dict(validated_weights=[1]))) == ()


@pytest.mark.parametrize(('weight', 'message'), [
    (torch.full((3, 2), float('nan')), r'0.weight.*Take a checkpoint from before its run diverged'),
    (torch.full((3, 2), float('-inf')), r'not finite \(NaN or infinite\) 0.weight'),
    (torch.ones(3, 2, dtype=torch.int64), 'of another kind 0.weight torch.int64 instead of torch.float32')])
def test_weights_that_are_none_are_refused(weight, message):
    model = nn.Sequential(nn.Linear(2, 3))
    before = model[0].weight.clone()
    with pytest.raises(UserError, match=f'1 of 2 tensors matched; .*{message}'):
        load_strictly(model, {'0.weight': weight, '0.bias': torch.ones(3)}, 'net')
    assert torch.equal(model[0].weight, before)


def test_half_precision_counters_and_masks_of_the_models_own_are_fine():
    model = nn.BatchNorm1d(2)
    model.register_buffer('mask', torch.full((2, ), float('-inf')))
    weights = {name: value.half() if value.is_floating_point() else value for name, value in model.state_dict().items()}
    assert compare(model.state_dict(), weights) == ('6 of 6 tensors matched', '')
    assert plain(dict(weights)).keys() == weights.keys()
