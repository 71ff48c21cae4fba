"""A machine without a network: one line at once, that says what helps."""
import time

import pytest

from mmkd.distillers.models import build_model, read_spec
from mmkd.utils import UserError
from mmkd.zoo.hub import reach


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """A hub that refuses connections, an empty cache, no proxy."""
    monkeypatch.setenv('HF_ENDPOINT', 'http://127.0.0.1:9')
    monkeypatch.setattr(reach, 'getproxies', dict)
    for name in ('HF_HUB_CACHE', 'HUGGINGFACE_HUB_CACHE'):
        monkeypatch.setattr(f'huggingface_hub.constants.{name}', str(tmp_path / 'hf'), raising=False)


@pytest.mark.parametrize('spec', [dict(timm='resnet10t', pretrained=True), dict(hf='nobody/nothing')], ids=str)
def test_no_network_is_said_at_once(nowhere, spec):
    if 'hf' in spec:
        pytest.importorskip('transformers')
    start = time.monotonic()
    with pytest.raises(UserError, match='is not in the cache, and the hub cannot be reached') as error:
        build_model(read_spec(spec, 'teacher'), 'teacher')
    assert time.monotonic() - start < 20  # the retries of one file alone take longer
    text = str(error.value)
    assert '--from-scratch' in text and 'A real teacher without an account' in text and '\n' not in text


def test_only_a_refusal_counts(nowhere, monkeypatch):
    def slow(*_: object) -> None:
        raise TimeoutError

    assert reach.is_unreachable()
    monkeypatch.setattr(reach, 'getproxies', lambda: dict(https='http://proxy'))
    assert not reach.is_unreachable()
    monkeypatch.setattr(reach, 'getproxies', dict)
    monkeypatch.setenv('HF_ENDPOINT', 'http://127.0.0.1:10')
    monkeypatch.setattr(reach.socket, 'create_connection', slow)
    assert not reach.is_unreachable()


def test_other_errors_pass():
    with pytest.raises(ZeroDivisionError), reach.published_weights('x'):
        raise ZeroDivisionError


def test_without_transformers_the_line_says_how_to_install(monkeypatch):
    from mmkd.distillers.models.huggingface import files
    monkeypatch.setattr(files, 'find_spec', lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'transformers' .*\.\[onedl,hf\]"):
        files.transformers()
