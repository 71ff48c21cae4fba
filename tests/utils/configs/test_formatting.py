"""A config's text is laid out once, and is what it would have been."""
import pytest
from mmengine.config import Config
from mmengine.config import config as mmengine_config
from yapf.yapflib import yapf_api

from mmkd.utils.configs.finding import load_config
from mmkd.utils.configs.formatting import KEPT, _remembering, remember_formatting


@pytest.fixture
def calls(monkeypatch):
    """The texts that yapf formats, and MMEngine as it is by itself."""
    texts, original = [], yapf_api.FormatCode
    original = getattr(original, '__wrapped__', original)

    def counted(text, *args, **kwargs):
        texts.append(text)
        return original(text, *args, **kwargs)

    for module in (yapf_api, mmengine_config):
        if hasattr(module, 'FormatCode'):
            monkeypatch.setattr(module, 'FormatCode', counted)
    return texts


def test_a_text_is_formatted_once(calls):
    config = load_config('quickstart/convnest-mini_digits-5shot.py')
    expected = config.pretty_text
    assert len(calls) == 1
    remember_formatting()
    assert config.pretty_text == config.pretty_text == Config(config.to_dict()).pretty_text == expected
    assert len(calls) == 2
    config.train_cfg.max_epochs = 77
    assert 'max_epochs=77' in config.pretty_text and len(calls) == 3


def test_it_is_set_up_once_and_keeps_few(calls):
    remember_formatting()
    first = yapf_api.FormatCode
    remember_formatting()
    assert yapf_api.FormatCode is first
    for number in range(3 * KEPT):
        assert str(number) in Config(dict(a=number)).pretty_text
    assert len(first.answers) == KEPT


def test_errors_are_not_kept():
    tried = []

    def fails(text):
        tried.append(text)
        raise SyntaxError

    for _ in range(2):
        with pytest.raises(SyntaxError):
            _remembering(fails)('x')
    assert len(tried) == 2
