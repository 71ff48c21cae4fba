import numpy as np
import pytest

from mmkd.records import RecordFormat, TapFormat
from mmkd.utils import UserError


def test_a_record_of_imagenet_has_76_bytes():
    format = RecordFormat(1000)
    assert format.size == 2 + 4 + 2 + 10 * (2 + 4) + 4 + 4 == 76
    assert abs(1_281_167 * 300 * format.size / 29.2e9 - 1) < 0.01


@pytest.mark.parametrize(('format', 'size'), [
    (RecordFormat(1000, 'all'), 8 + 4000), (RecordFormat(1000, 'all', 'fp16'), 8 + 2000 + 4),
    (RecordFormat(5, 10), 8 + 5 * 6 + 8), (RecordFormat(0, 10, taps=dict(a=TapFormat((3, 2, 2), 'fp16'))), 8 + 24),
    (RecordFormat(100_000, 3), 2 + 4 + 4 + 3 * 8 + 8)])
def test_sizes(format, size):
    assert format.size == size


def test_ids_are_whole_numbers_of_enough_bits():
    assert RecordFormat(65_535).record['ids'].base == np.dtype('<u2')
    assert RecordFormat(65_536).record['ids'].base == np.dtype('<u4')
    assert RecordFormat(65_535).no_label == 65_535  # which is no class: the last one is 65,534


def test_formats_survive_json():
    format = RecordFormat(1000, 'all', 'fp16', dict(stage4=TapFormat((768, ), 'fp16', True)))
    assert RecordFormat.from_json(format.as_json()) == format


@pytest.mark.parametrize('content', [None, {}, dict(classes=3, topk=2, dtype='fp32', taps=[1]),
                                     dict(classes=3, topk=0, dtype='fp32', taps={}),
                                     dict(classes='3', topk=1, dtype='fp32', taps={}),
                                     dict(classes=3, topk=1, dtype='O', taps={}),
                                     dict(classes=3, topk=1, dtype='fp32', taps=dict(a=dict(
                                         shape=[-1], dtype='fp32', pooled=False)))])
def test_nonsense_is_refused_in_words(content):
    with pytest.raises(UserError, match='expects'):
        RecordFormat.from_json(content)


def test_raw_records_of_another_size_are_refused():
    with pytest.raises(UserError, match='expects 76 bytes'):
        RecordFormat(1000).rows([np.zeros(75, np.uint8)])


def test_a_format_tells_what_it_keeps():
    text = RecordFormat(1000, taps=dict(stage4=TapFormat((768, 7, 7), 'fp16'))).describe()
    assert '10 highest of 1000' in text and '768×7×7' in text and '75,264 bytes' in text
