"""StrictResumeHook."""
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from mmkd.engine.hooks import StrictResumeHook
from mmkd.utils import UserError


def load(checkpoint: dict, resume: bool = True) -> None:
    runner = SimpleNamespace(model=nn.Linear(2, 3), _resume=resume)
    StrictResumeHook().after_load_checkpoint(runner, checkpoint)


def checkpoint(**state) -> dict:
    return dict(state_dict={**nn.Linear(2, 3).state_dict(), **state}, meta={}, message_hub={})


def test_the_same_model():
    load(checkpoint())
    load(dict(checkpoint(), state_dict={f'module.{name}': value for name, value in checkpoint()['state_dict'].items()}))


@pytest.mark.parametrize(('wrong', 'message'), [
    (checkpoint(extra=torch.ones(1)), 'Linear cannot be resumed: 2 of 2 tensors matched; unexpected extra'),
    (checkpoint(bias=torch.ones(7)), r'1 of 2 tensors matched; of another shape bias \(7,\) instead of \(3,\)'),
    (dict(state_dict={}, meta={}), 'got one without message_hub. To start a new run from its weights'),
])
def test_another(wrong, message):
    with pytest.raises(UserError, match=message):
        load(wrong)
    load(wrong, resume=False)  # load_from is as lenient as MMEngine makes it
