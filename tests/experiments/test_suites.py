"""What comparisons and tunings ask for."""
import argparse
import os
from pathlib import Path

import pytest

from mmkd.experiments.jobs.runs import run_jobs
from mmkd.experiments.suites import SUITES, Suite, _checkpoint, data_job, enter_home, overlapping
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


@pytest.fixture
def make_data(tmp_path, monkeypatch):
    """Has the data of a suite made by a converter that only writes its name, in the folder ``runs``."""
    root = Path(__file__).parents[2]
    (tmp_path / 'tools').mkdir()
    for name in ('one', 'two'):
        (tmp_path / 'tools' / f'{name}.py').write_text(f"open('{name}.txt', 'a').write('made ')")
    monkeypatch.setattr('mmkd.experiments.suites.tool_path', lambda name: f'tools/{name}')
    monkeypatch.chdir(tmp_path)

    def make(name):
        suite = Suite('', '', '', (), (f'{name}.py', ))
        run_jobs([data_job(suite, Path('runs'))], 1, root, os.open(os.devnull, os.O_RDONLY))

    return make


def test_each_suite_of_a_work_dir_gets_its_data(make_data, tmp_path):
    make_data('one')
    make_data('two')
    assert (tmp_path / 'two.txt').is_file()
    (tmp_path / 'one.txt').unlink()
    make_data('one')  # the converter finds out by itself what there is to do
    assert (tmp_path / 'one.txt').read_text() == 'made '
    assert sorted(path.name for path in (tmp_path / 'runs').iterdir()) == ['data-job-one', 'data-job-two']


def test_data_below_the_work_dir_stay_where_they_are(make_data, tmp_path):
    (tmp_path / 'runs/data').mkdir(parents=True)
    (tmp_path / 'runs/data/photo.png').touch()
    make_data('one')
    assert (tmp_path / 'runs/data/photo.png').exists()


def test_suites_of_the_same_data_share_a_job(tmp_path):
    folders = {name: data_job(suite, tmp_path).folder.name for name, suite in SUITES.items()}
    assert folders == {name: f'data-job-{name.partition("-")[0]}' for name in SUITES}


def test_keys_that_overlap():
    assert overlapping(['a', 'a.b', 'a.b.c', 'a.bc', 'd'], ['a.b']) == ['a', 'a.b', 'a.b.c']
    assert overlapping(['a'], []) == []
