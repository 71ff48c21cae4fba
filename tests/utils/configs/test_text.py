"""Configs as text."""
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config

from mmkd.utils import UserError
from mmkd.utils.configs.text import config_text
from mmkd.utils.given import Given

PIPELINE = [dict(type='A', scale=(1, 2)), dict(type='B', name='it\'s "here"', long=list(range(60)))]
CONFIG = dict(pipeline=PIPELINE, loader=dict(batch_size=4, dataset=dict(
    type='C', pipeline=PIPELINE, one=(1, ), options={'model.head.num_classes': 3, 'a': None}, empty={}, none=[])),
    number=1e-5, other=dict(lambda_=1.), words={'lambda': 1})


def test_the_text_makes_the_same_values():
    text = config_text(CONFIG)
    assert Config.fromstring(text, '.py').to_dict() == CONFIG
    assert max(map(len, text.splitlines())) <= 300 and list(Config.fromstring(text, '.py').to_dict()) == list(CONFIG)


def test_what_is_there_already_is_named():
    assert 'pipeline=pipeline' in config_text(CONFIG)
    assert config_text(dict(a=dict(b=1), c=dict(b=1))) == 'a = dict(b=1)\nc = a\n'


def test_what_was_handed_over_is_text():
    assert config_text(dict(a=Given(object(), 'the model'))) == "a = 'the model'\n"


@pytest.mark.parametrize(('value', 'written'), [
    (float('inf'), float('inf')), (-float('inf'), -float('inf')), (np.float64(1e-3), 1e-3), (np.int64(3), 3),
    (np.bool_(True), True), (np.float32('inf'), float('inf')), (np.str_('a'), 'a'), (Path('/x y/t.pth'), '/x y/t.pth'),
    (torch.bfloat16, 'bfloat16'), (b'x', b'x'), (1 + 2j, 1 + 2j), (range(2, 8, 3), [2, 5])])
def test_values_without_a_literal_of_their_own(value, written):
    config = dict(a=dict(b=[value]), c={'d.e': (value, )}, f=value)
    made = Config.fromstring(config_text(config), '.py').to_dict()
    for found in (made['a']['b'][0], made['c']['d.e'][0], made['f']):
        assert found == written and type(found) is type(written)


@pytest.mark.parametrize('value', [np.zeros(2), torch.zeros(2), object(), Config, len])
def test_what_no_config_can_hold_is_refused_with_its_key(value):
    with pytest.raises(UserError, match=r"a\.b\.0\.c expects a value that a config can hold .* Convert it\."):
        config_text(dict(a=dict(b=[dict(c=value)]), d=dict(c=value)))


@pytest.mark.parametrize(('one', 'other'), [(1, True), (1, 1.), ([1], (1, )), (0, False), (np.float64(4), 4)])
def test_values_of_other_types_are_not_the_same(one, other):
    made = Config.fromstring(config_text(dict(a=[dict(x=one)], b=[dict(x=other)])), '.py').to_dict()
    assert type(made['b'][0]['x']) is type(other)
