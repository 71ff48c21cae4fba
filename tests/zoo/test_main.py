"""python -m mmkd.zoo."""
import sys

import pytest

from mmkd.zoo import __main__ as zoo

from .conftest import DIGITS


@pytest.fixture
def call(server, monkeypatch, capsys):
    entry = dict(Config='configs/a.py', Results=[dict(Metrics={'Top 1 Accuracy': 82.5})], License='MIT')
    detector = dict(entry, Metadata=dict(Parameters=27e6, FLOPs=4.5e9), Results=[
        *entry['Results'], dict(Metrics={'box AP': 45.3})])
    index = {'slak-tiny_in1k': dict(entry, Weights=f'{server}/slak.pth', SHA256=DIGITS), 'convnest-tiny_in1k': detector}
    for module in ('mmkd.zoo.__main__', 'mmkd.zoo.index'):
        monkeypatch.setattr(f'{module}.model_index', lambda: index)

    def run(*words):
        monkeypatch.setattr(sys, 'argv', ['zoo', *words])
        status = 0
        try:
            zoo.main()
        except SystemExit as error:
            status = error.code
        output = capsys.readouterr()
        return status, output.out + output.err

    return run


def test_list(call):
    assert call('list')[1].splitlines() == [
        'model               weights     params (M)  FLOPs (G)  top-1 (%)  other figures (AP, mIoU: %)',
        'convnest-tiny_in1k  no weights       27.00       4.50      82.50  45.3 box AP',
        'slak-tiny_in1k      weights              -          -      82.50']
    assert call('list', '--weights')[1].count('\n') == 2 and 'slak' in call('list', 's*')[1]
    status, text = call('list', 'swin*')
    assert status and "got 'swin*'" in text


def test_download_and_info(call):
    assert 'in the cache' not in call('list')[1]
    status, text = call('download', 'slak-tiny_in1k')
    assert not status and text.startswith('slak-tiny_in1k: ') and text.strip().endswith('slak.pth')
    assert 'in the cache' in call('list')[1]
    text = call('info', 'slak-tiny_in1k')[1]
    assert f'sha256:     {DIGITS}' in text and 'licence:    MIT' in text
    assert 'weights:    none yet' in call('info', 'convnest-tiny_in1k')[1]


@pytest.mark.parametrize(('words', 'message'), [
    (('download', 'slak-tinny_in1k'), 'Did you mean slak-tiny_in1k'),
    (('download', 'convnest-tiny_in1k'), 'no published'),
    (('info', 'resnet'), "got 'resnet'")])
def test_errors(call, words, message):
    status, text = call(*words)
    assert status and message in text
