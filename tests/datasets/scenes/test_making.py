"""A folder of data appears whole or not at all. What scripts do with it: tests/tools/dataset_converters."""
import pytest

from mmkd.datasets.scenes.making import make_folder, read_stamp
from mmkd.utils import UserError

WANTED = dict(format=1, seed=0)


def write(folder):
    folder.mkdir()
    (folder / 'file').write_text('new')


def test_once(tmp_path):
    assert make_folder(tmp_path / 'a', 'stamp.json', WANTED, write)
    assert not make_folder(tmp_path / 'a', 'stamp.json', WANTED, pytest.fail)
    assert read_stamp(tmp_path / 'a', 'stamp.json') == WANTED and (tmp_path / 'a/file').read_text() == 'new'


def test_a_failure_leaves_nothing(tmp_path):
    def fail(folder):
        write(folder)
        raise RuntimeError('no space')

    with pytest.raises(RuntimeError):
        make_folder(tmp_path / 'a', 'stamp.json', WANTED, fail)
    assert not any(tmp_path.iterdir())


def test_what_another_script_made_is_kept(tmp_path):
    make_folder(tmp_path / 'a', 'other.json', WANTED, write)
    with pytest.raises(UserError, match='one that this script made'):
        make_folder(tmp_path / 'a', 'stamp.json', WANTED, pytest.fail, force=True)
