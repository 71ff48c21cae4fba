"""ValidatedWeightsHook: what each kind of EMAHook validates."""
from types import SimpleNamespace

import pytest
from mmengine.hooks import EMAHook, IterTimerHook
from mmpretrain.engine.hooks import EMAHook as PretrainEMAHook

from mmkd.engine.hooks import ValidatedWeightsHook


@pytest.mark.parametrize(('hooks', 'expected'), [
    ([], 'raw'), ([IterTimerHook()], 'raw'), ([EMAHook()], 'ema'), ([IterTimerHook(), PretrainEMAHook()], 'ema'),
    ([PretrainEMAHook(evaluate_on_origin=True)], 'both'),
    ([PretrainEMAHook(evaluate_on_ema=False, evaluate_on_origin=True)], 'raw')])
def test_noted(hooks, expected):
    checkpoint = dict(meta=dict(epoch=3))
    ValidatedWeightsHook().before_save_checkpoint(SimpleNamespace(hooks=hooks), checkpoint)
    assert checkpoint == dict(meta=dict(epoch=3, validated_weights=expected))
