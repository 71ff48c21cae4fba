"""Every loss checks every argument when it is built, and those that compare classes want more than one."""
import inspect
import math

import pytest
import torch
from mmkd import losses

from mmkd.utils import UserError

NEEDED = dict(student_channels=4, teacher_channels=4, student_size=(2, 2), teacher_size=(2, 2), num_samples=9,
              num_classes=5)
OWN = dict(ScaleKDLoss=dict(tpp=False, num_heads=2), CRDLoss=dict(negatives=3))
NO_ARGUMENTS = (None, 'nonsense', math.nan, math.inf, -math.inf, -1, {}, [None], ['nonsense'], [math.nan], 10**400)
ON_LOGITS = ['BinaryKDLoss', 'DISTLoss', 'DKDLoss', 'DiffKDLoss', 'KDLoss', 'NKDLoss', 'OFALoss']


def parameters(name: str) -> dict[str, inspect.Parameter]:
    return {key: value for key, value in inspect.signature(getattr(losses, name).__init__).parameters.items()
            if key != 'self' and value.kind is not value.VAR_POSITIONAL and value.kind is not value.VAR_KEYWORD}


def arguments(name: str) -> dict[str, object]:
    return {key: value for key, value in NEEDED.items() if key in parameters(name)} | OWN.get(name, {})


@pytest.mark.parametrize('name', losses.__all__)
def test_no_argument_may_be_anything(name):
    getattr(losses, name)(**arguments(name))
    for key, parameter in parameters(name).items():
        for value in NO_ARGUMENTS:
            if value is None and parameter.default is None:
                continue
            with pytest.raises(UserError, match=f'^{name} expects {key} to be .*, got .*Change {key}') as caught:
                getattr(losses, name)(**arguments(name) | {key: value})
            assert '\n' not in str(caught.value)


@pytest.mark.parametrize('name', losses.__all__)
def test_what_has_to_be_positive_may_not_be_zero(name):
    for key in parameters(name).keys() & {'temperature', 'student_channels', 'teacher_channels', 'power', 'embedding'}:
        with pytest.raises(UserError, match=f'{name} expects {key} to be'):
            getattr(losses, name)(**arguments(name) | {key: 0})


@pytest.mark.parametrize(('name', 'dense'), [
    *((name, False) for name in ON_LOGITS), *((name, True) for name in ('BinaryKDLoss', 'DISTLoss', 'KDLoss'))])
def test_one_class_means_nothing(name, dense):
    logits = torch.zeros(3, 1, 2, 2) if dense else torch.zeros(3, 1)
    widths = dict(student_channels=1, teacher_channels=1, teacher_size=(1, 1)) if name == 'DiffKDLoss' else {}
    with pytest.raises(UserError, match=f'{name} expects at least 2 classes, got 1'):
        getattr(losses, name)(**widths)(logits, logits, torch.zeros(3, dtype=torch.long))


def test_one_class_of_independent_outputs_is_fine():
    assert losses.BinaryKDLoss(teacher_activation='sigmoid')(torch.zeros(3, 1), torch.ones(3, 1)).isfinite()
