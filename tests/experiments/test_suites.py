"""What comparisons and tunings ask for."""
import argparse
import os
from pathlib import Path

import pytest

from mmkd.experiments.suites import _checkpoint, enter_home, overlapping
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


def test_paths_are_those_of_the_folder_in_which_they_were_typed(tmp_path, monkeypatch):
    root, user = tmp_path / 'checkout', tmp_path / 'user'
    for folder in (root, user):
        folder.mkdir()
        for name in ('mine.py', 'best.json', 'g.yml'):
            (folder / name).write_text(folder.name)
    given = dict(work_dir=Path('runs'), teacher_checkpoint='t.pth', methods=None, alone='mine.py', teacher='mine.py',
                 tuned=Path('best.json'), grids=Path('g.yml'))
    for folder in (user, root):
        monkeypatch.chdir(folder)
        args = argparse.Namespace(**given)
        assert enter_home(args, root) == Path.cwd() == root
        for name in ('alone', 'teacher', 'tuned', 'grids'):
            assert Path(getattr(args, name)).read_text() == folder.name
            assert type(getattr(args, name)) is type(given[name])
        assert os.path.abspath(args.work_dir) == str(folder / 'runs')
        assert args.teacher_checkpoint == str(folder / 't.pth')
    assert vars(args) == given | dict(teacher_checkpoint=str(root / 't.pth'))  # in the checkout, as they were
    monkeypatch.chdir(user)
    args = argparse.Namespace(**given | dict(alone='configs/a.py', teacher='mmkd::a.py', tuned=None))
    enter_home(args, root)
    assert (args.alone, args.teacher, args.tuned) == ('configs/a.py', 'mmkd::a.py', None)


def test_keys_that_overlap():
    assert overlapping(['a', 'a.b', 'a.b.c', 'a.bc', 'd'], ['a.b']) == ['a', 'a.b', 'a.b.c']
    assert overlapping(['a'], []) == []
