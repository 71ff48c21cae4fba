"""Configs as text."""
from mmengine.config import Config

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
