"""Durations."""
import pytest

from mmkd.utils.command_line.durations import clock


@pytest.mark.parametrize('seconds, text', [(0, '0:00'), (59.6, '1:00'), (600, '10:00'), (3661, '1:01:01')])
def test_clock(seconds, text):
    assert clock(seconds) == text
