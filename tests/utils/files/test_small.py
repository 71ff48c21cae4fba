import subprocess

import pytest

from mmkd.utils import UserError
from mmkd.utils.files.small import lock_folder, move_aside, read_json, write_json


def test_json_round_trip(tmp_path):
    write_json(tmp_path / 'a.json', dict(x=1))
    assert read_json(tmp_path / 'a.json') == dict(x=1)
    assert [path.name for path in tmp_path.iterdir()] == ['a.json']


@pytest.mark.parametrize('text', ['', '{"x": 1', '[1]'])
def test_what_is_no_json_dict_is_empty(tmp_path, text):
    (tmp_path / 'a.json').write_text(text)
    assert read_json(tmp_path / 'a.json') == {}
    assert read_json(tmp_path / 'missing.json') == {}


def test_move_aside_finds_a_free_name(tmp_path):
    for _ in range(2):
        (tmp_path / 'a').mkdir()
        move_aside(tmp_path / 'a')
    move_aside(tmp_path / 'a')
    assert sorted(path.name for path in tmp_path.iterdir()) == ['a.1', 'a.2']


def test_a_folder_is_locked_once(tmp_path):
    with lock_folder(tmp_path / 'new'):
        with pytest.raises(UserError, match='in use'), lock_folder(tmp_path / 'new'):
            pass
    with lock_folder(tmp_path / 'new'):
        pass


def test_a_child_keeps_the_lock(tmp_path):
    with lock_folder(tmp_path) as descriptor:
        child = subprocess.Popen(['sleep', '60'], pass_fds=(descriptor, ))
    with pytest.raises(UserError, match='in use'), lock_folder(tmp_path):
        pass
    child.kill()
    child.wait()
    with lock_folder(tmp_path):
        pass
