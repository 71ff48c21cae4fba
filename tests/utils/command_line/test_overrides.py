"""Values of --cfg-options."""
import argparse
import math

import pytest
from mmengine.config import DictAction

from mmkd.utils.command_line.overrides import ConfigOptions, parse_value, written


def parse(*values: str) -> dict:
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument('--cfg-options', nargs='+', action=ConfigOptions)
    return parser.parse_args(['--cfg-options', *values]).cfg_options


@pytest.mark.parametrize('text', ['1', '1,2', '[a,b]', '(1,2)', '[(1,2),[a,b],c]', 'True', '1e-3', "'a'", 'a=b', '',
                                  "'1, 2'", '"[a,b]"', "'a','b'"])
def test_values_without_dicts_are_read_as_by_mmengine(text):
    assert parse_value(text) == DictAction._parse_iterable(text)


@pytest.mark.parametrize(('text', 'value'), [
    ("[dict(type='mmkd.EpochSeedHook'),dict(type='mmkd.EMAHook', momentum=1e-4)]",
     [dict(type='mmkd.EpochSeedHook'), dict(type='mmkd.EMAHook', momentum=1e-4)]),
    ("dict(a=[1, -2], b=(None, True))", dict(a=[1, -2], b=(None, True))),
    ('{"a": {"b": [1.5]}}', dict(a=dict(b=[1.5]))), ('{}', {}), ('dict()', {})])
def test_dicts(text, value):
    assert parse(f'custom_hooks={text}', 'x=1') == dict(custom_hooks=value, x=1)


@pytest.mark.parametrize('text', ['a.pth', 'a,b.pth', '/a b/c.pth', "it's, a.pth", '/a/(1,b.pth', '/a/{x}, y.pth',
                                  '2,3/epoch_1.pth', 'a, "b".pth', '/dict(1)/a.pth'])
def test_a_text_is_read_as_it_was(text):
    assert parse_value(written(text)) == text
    assert parse_value(repr(text)) == text


@pytest.mark.parametrize('value', [
    '1', '-2.5e3', 'None', 'True', 'nan', '', ' a', "'a'", '"1"', 'a#{', "a'b\\", ['a b', 'c'], ['1', '2'],
    ['None', None], [["it's"], ('a,b', )], [], (), (1, ), [(1, ), [2.5]], [True, None, 1e-5], 1e-5, 1., True, None,
    math.inf, math.nan, dict(a=1, b=['1', (2, )]), dict(a=math.inf), [dict(type='A', b='1')], {}])
def test_a_value_is_read_as_it_was_with_its_type(value):
    """As compare and tune hand settings to runs."""
    assert repr(parse(f'a={written(value)}')['a']) == repr(value)


def test_only_what_must_be_is_quoted():
    for value in (1, True, None, [1., 'a'], [(1, 2), None], dict(a='1'), [dict(type='mmkd.EMAHook')]):
        assert written(value) == str(value)
    assert [written(value) for value in ('a.pth', 1e-3, [1, 2], 'a,b')] == ['a.pth', '0.001', '[1, 2]', "'a,b'"]


@pytest.mark.parametrize(('text', 'message'), [
    ('[dict(type=mmkd.EMAHook)]', 'texts inside it in single ones'), ("dict(a=open('b'))", 'expects a value such as'),
    ("dict(__import__('os'))", 'expects a value such as'), ('dict(**{})', 'expects a value such as'),
    ('{1: 2', 'expects a value such as'), ('[1,(2]', 'expects brackets that close')])
def test_mistakes_are_one_line(capsys, text, message):
    with pytest.raises(SystemExit) as ended:
        parse(f'custom_hooks={text}')
    error = capsys.readouterr().err
    assert ended.value.code == 2 and '--cfg-options custom_hooks: expects' in error and message in error


def test_a_key_alone_is_a_mistake(capsys):
    with pytest.raises(SystemExit):
        parse('model')
    assert "expects KEY=VALUE, got 'model'" in capsys.readouterr().err
