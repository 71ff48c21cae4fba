"""What comparisons and tunings ask for."""
import os

import pytest

from mmkd.experiments.suites import _checkpoint, overlapping
from mmkd.utils import UserError


def test_a_teacher_may_be_a_file_an_address_or_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'weights').write_bytes(b'1')
    for name in ('weights', 'none.pth', 'a/none', 'a.pth#ema'):
        assert _checkpoint(name) == os.path.abspath(name)
    for name in ('https://a.b/c.pth', 'hf://a/b', 'convnest-atto_32xb128_in1k'):
        assert _checkpoint(name) == name
    with pytest.raises(UserError, match="-checkpoint expects .* got 'convnest-ato_.*Did you mean convnest-atto"):
        _checkpoint('convnest-ato_32xb128_in1k')


def test_keys_that_overlap():
    assert overlapping(['a', 'a.b', 'a.b.c', 'a.bc', 'd'], ['a.b']) == ['a', 'a.b', 'a.b.c']
    assert overlapping(['a'], []) == []
