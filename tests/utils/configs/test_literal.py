"""Values of a config that is read and not run."""
import pytest
from mmengine.config import Config

from mmkd.utils.configs.literal import read_literally


def test_reads_what_mmengine_writes():
    config = dict(model=dict(type='A', std=[1, 2.5, -3], given=None, on=True, parts=[dict(b=(1, ))], **{'a.b': 1}))
    assert read_literally(Config(config).pretty_text) == dict(model=config['model'] | dict(parts=[dict(b=[1])]))


@pytest.mark.parametrize('text', ['def', 'raise SystemExit', 'import os', '(' * 5000, '\0'])
def test_other_texts_say_nothing(text):
    assert read_literally(text) == {}


def test_what_is_no_literal_is_none():
    assert read_literally("a = dict(b=exit(1), c=[open('x')], d=2)") == dict(a=dict(b=None, c=[None], d=2))
