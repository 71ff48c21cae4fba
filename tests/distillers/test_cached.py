"""What a cached teacher says was kept of a tap."""
import pytest

from mmkd.distillers.teacher import CachedTeacher
from mmkd.losses.served import Kept
from mmkd.records import Header, Reader, RecordFormat, TapFormat

DENSE = TapFormat((19, 8, 8), 'fp16')


@pytest.mark.parametrize(('format', 'expected'), [
    (RecordFormat(19, 3), Kept(every_value=False)),
    (RecordFormat(19, 'all', 'fp16'), Kept(full_precision=False)),
    (RecordFormat(0, taps=dict(logits=DENSE)), Kept(full_precision=False)),  # a segmentor's
    (RecordFormat(0, taps=dict(logits=TapFormat((19, ), pooled=True))), Kept(pooled=True)),
    (RecordFormat(19, 3, taps=dict(logits=DENSE)), Kept(full_precision=False)),  # of which the map is what is read
])
def test_logits_are_what_is_read_of_them(tmp_path, format, expected):
    Header(dict(samples=2, seed=0), dict(weights='a'), format, 1).write(tmp_path)
    assert CachedTeacher('teacher', 'teacher', Reader(tmp_path), ['logits']).kept('logits') == expected
