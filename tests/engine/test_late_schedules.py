"""Short runs of recipes with long warm-ups."""
import mmengine.optim  # noqa: F401  (registers the schedulers)
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import PARAM_SCHEDULERS
from torch import nn

from mmkd.engine import late_schedules
from mmkd.engine.late_schedules import leave_out_late_schedules
from mmkd.utils.configs.finding import load_config

RECIPES = ('quickstart/convnest-mini_slak-mini-nkd_digits-5shot.py', 'convnest/convnest-tiny_32xb128_in1k.py',
           'slak/slak-tiny_32xb128_in1k.py', 'large_kernel_kd/convnext-small-bn_slak-small-nkd_64xb64-300e_in1k.py')
WARMUP, COSINE = dict(type='LinearLR', end=20), dict(type='CosineAnnealingLR', begin=20)


def build(schedules: list, length: int) -> None:
    """Builds schedules as MMEngine's Runner does, with the end of training as theirs if they have none."""
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.)
    for schedule in schedules:
        PARAM_SCHEDULERS.build(dict(end=length) | dict(schedule),
                               default_args=dict(optimizer=optimizer, epoch_length=5))


@pytest.mark.parametrize('recipe', RECIPES)
def test_recipes_of_one_epoch(recipe):
    config = load_config(recipe, {'train_cfg.max_epochs': 1})
    with pytest.raises(ValueError, match='end should be larger than begin'):
        build(config.param_scheduler, 1)
    leave_out_late_schedules(config)
    assert config.param_scheduler
    build(config.param_scheduler, 1)


@pytest.mark.parametrize(('schedules', 'loop', 'kept'), [
    ([WARMUP, COSINE], dict(max_epochs=20), [WARMUP]), ([WARMUP, COSINE], dict(max_epochs=21), [WARMUP, COSINE]),
    ([WARMUP, COSINE | dict(by_epoch=False)], dict(max_epochs=20), [WARMUP, COSINE | dict(by_epoch=False)]),
    ([COSINE | dict(by_epoch=False)], dict(max_iters=20), []),
    ([COSINE | dict(end=300)], dict(max_epochs=20), [COSINE | dict(end=300)]), (COSINE, dict(max_epochs=5), []),
    (dict(one=[WARMUP, COSINE], two=COSINE), dict(max_epochs=5), dict(one=[WARMUP], two=[])),
    (None, dict(max_epochs=5), None), ([5, dict(begin='x')], dict(max_epochs=5), [5, dict(begin='x')])])
def test_what_begins_too_late_is_left_out(schedules, loop, kept):
    config = Config(dict(param_scheduler=schedules, train_cfg=loop))
    leave_out_late_schedules(config)
    assert config.param_scheduler == kept


def test_what_is_left_out_is_said(monkeypatch):
    said = []
    monkeypatch.setattr(late_schedules, 'print_log', lambda text, *_: said.append(text))
    leave_out_late_schedules(Config(dict(param_scheduler=[WARMUP, COSINE], train_cfg=dict(max_epochs=1))))
    [text] = said
    assert text.startswith('CosineAnnealingLR is left out: it begins after 20 epochs, and training ends after 1 (')
