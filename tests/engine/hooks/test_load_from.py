"""LoadFromHook: from a student or a distiller, to a student or a distiller."""
from types import SimpleNamespace

import pytest
import torch
from mmengine.logging import MMLogger
from torch import nn

from mmkd.distillers import Distiller
from mmkd.engine.hooks import LoadFromHook
from mmkd.utils import UserError


class Net(nn.Module):
    """As a student, or below a distiller."""

    def __init__(self, inner: bool):
        super().__init__()
        if inner:
            self.student, self.terms = Net(False), nn.Linear(1, 1)
        else:
            self.backbone, self.head = nn.Linear(2, 3), nn.Linear(3, 4)


def ones(model: nn.Module) -> dict:
    return {name: torch.ones_like(value) for name, value in model.state_dict().items()}


def loaded(checkpoint: dict, model: nn.Module, resume: bool = False) -> dict:
    runner = SimpleNamespace(model=model, _resume=resume, _load_from='x.pth', logger=MMLogger.get_instance('test'))
    LoadFromHook().after_load_checkpoint(runner, checkpoint)
    return checkpoint


@pytest.mark.parametrize('source', [False, True], ids=['from a student', 'from a distiller'])
@pytest.mark.parametrize('target', [False, True], ids=['into a student', 'into a distiller'])
@pytest.mark.parametrize('wrap', [
    lambda state: dict(state_dict=state), lambda state: dict(model=state), lambda state: dict(state),
    lambda state: dict(state_dict={f'module.{name}': value for name, value in state.items()}),
    lambda state: dict(model_ema={f'_orig_mod.{name}': value for name, value in state.items()})])
def test_names_are_mapped(source, target, wrap):
    model = Net(target)
    missing, unexpected = model.load_state_dict(loaded(wrap(ones(Net(source))), model)['state_dict'], strict=False)
    assert not unexpected or (source and not target)
    assert set(missing) <= {'terms.weight', 'terms.bias'} and (not missing or not source)
    own = model.student if target else model
    assert all((value == 1).all() for value in own.state_dict().values())


def test_what_was_validated_is_taken_and_the_average_starts_anew():
    raw, average = Net(False), Net(False)
    checkpoint = dict(state_dict=average.state_dict(), meta=dict(validated_weights='raw'), ema_state_dict={
        f'module.{name}': value for name, value in raw.state_dict().items()})
    read = loaded(checkpoint, Net(False))
    assert torch.equal(read['state_dict']['head.weight'], raw.head.weight) and 'ema_state_dict' not in read


@pytest.mark.parametrize(('state', 'message'), [
    ({'stem.weight': torch.ones(2)}, 'load_from=x.pth: 0 of 4 tensors matched; missing backbone.weight'),
    ({'backbone.weight': torch.ones(5, 5)}, 'load_from=x.pth: 0 of 4 tensors matched'),
    (ones(Net(False)) | {'head.bias': torch.full((4, ), float('nan'))}, r'not finite \(NaN or infinite\) head.bias'),
    (ones(Net(False)) | {'head.bias': torch.ones(4, dtype=torch.int8)}, 'of another kind head.bias torch.int8'),
    ({}, 'no tensors')])
def test_nothing_that_fits_is_refused(state, message):
    with pytest.raises(UserError, match=message):
        loaded(dict(state_dict=state), Net(False))


def test_what_terms_have_learnt_of_a_teacher_starts_anew():
    """A resumed run goes on with it."""
    def net() -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3))

    def term(kind: str, tap: str, norm: dict | None = None, **arguments: int) -> dict:
        return dict(loss=dict(type=f'mmkd.{kind}', **arguments), student=tap, teacher=tap, teacher_norm=norm)

    first, second = (Distiller(student=net(), teacher=net(), input_size=8, task_weight=0., terms=dict(
        known=term('OFDLoss', '1'), estimated=term('OFDLoss', '3'),
        crd=term('CRDLoss', '3', num_samples=9, negatives=4),
        norm=term('FitNetLoss', '3', dict(type='mmkd.PHIS')))) for _ in range(2))
    of_teacher = [name for name, _ in first.terms.named_buffers(prefix='terms')]
    assert len(of_teacher) == 3 + 3 + 4 + 6
    state = ones(first)
    weights = loaded(dict(state_dict=dict(state)), second)['state_dict']
    assert state.keys() - weights.keys() == set(of_teacher)
    assert loaded(dict(state_dict=state), second, resume=True)['state_dict'].keys() == state.keys()


def test_a_part_is_enough_and_resuming_is_left_alone():
    assert loaded(dict(state_dict={'backbone.bias': torch.ones(3)}), Net(False))
    assert loaded(dict(state_dict={}), Net(False), resume=True) == dict(state_dict={})
