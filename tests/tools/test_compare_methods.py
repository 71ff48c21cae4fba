"""tools/compare_methods.py: its arguments and its plan. The tutorial's test runs it to the end."""
import sys
from pathlib import Path

import pytest

from mmkd.utils import UserError

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / 'tools'))
import compare_methods  # noqa: E402


@pytest.fixture
def parse(monkeypatch, home):
    monkeypatch.chdir(home)
    return compare_methods.parse_args


def test_every_method_and_seed_has_a_run(parse):
    jobs = compare_methods.plan(parse(['--methods', 'kd', 'nkd', '--seeds', '2', '--cfg-options', 'val_cfg.fp16=True']))
    assert list(jobs) == ['teacher', *(f'{name}-seed{seed}' for name in ('alone', 'kd', 'nkd') for seed in (0, 1))]
    assert jobs['kd-seed1'].needs == ('teacher', ) and jobs['alone-seed0'].needs == ()
    config = jobs['nkd-seed1'].config
    assert config.randomness.seed == 1 and config.val_cfg.fp16 is True
    assert config.train_dataloader.dataset.dataset.ann_file == 'meta/train_5_per_class_seed1.txt'
    assert 'val_cfg.fp16=True' in jobs['alone-seed0'].arguments and 'val_cfg.fp16=True' not in jobs['teacher'].arguments


def test_all_methods_by_default(parse):
    files = {path.stem for path in (ROOT / 'configs/quickstart/methods').glob('*.py')}
    jobs = compare_methods.plan(parse(['--seeds', '1']))
    assert jobs.keys() == {'teacher', 'alone-seed0', *(f'{name}-seed0' for name in files)}


def test_a_trained_teacher(parse):
    jobs = compare_methods.plan(parse(['--methods', 'kd', '--seeds', '1', '--teacher-checkpoint', '/a/teacher.pth',
                                       '--teacher-top1', '99']))
    assert 'teacher' not in jobs and jobs['kd-seed0'].config.model.teacher.checkpoint == '/a/teacher.pth'


@pytest.mark.parametrize(('arguments', 'message'), [
    (['--seeds', '0'], 'expect 1 or more'), (['--teacher-checkpoint', 'a.pth'], 'needs --teacher-score')])
def test_bad_arguments(parse, capsys, arguments, message):
    with pytest.raises(SystemExit):
        parse(arguments)
    assert message in capsys.readouterr().err


def test_unknown_methods_and_options(parse):
    with pytest.raises(UserError, match="got 'nkdd'. Did you mean nkd"):
        compare_methods.plan(parse(['--methods', 'nkdd']))
    with pytest.raises(UserError, match="KEY=VALUE, got 'seed'"):
        compare_methods.plan(parse(['--methods', 'kd', '--seed-options', 'seed']))


def test_one_cache_a_seed_for_methods_that_read_logits(parse):
    jobs = compare_methods.plan(parse(['--methods', 'kd', 'nkd', 'fd', '--seeds', '2', '--cache']))
    caches = [name for name in jobs if name.startswith('cache')]
    assert caches == ['cache0', 'cache1'] and all(jobs[name].needs == ('teacher', ) for name in caches)
    for seed in (0, 1):
        assert set(jobs[f'nkd-seed{seed}'].needs) == {'teacher', f'cache{seed}'} == set(jobs[f'kd-seed{seed}'].needs)
        features = jobs[f'fd-seed{seed}']
        assert features.needs == ('teacher', ) and 'cache' not in features.config.model.teacher
        assert {jobs[f'{name}-seed{seed}'].config.replay.seed for name in ('alone', 'kd', 'fd')} == {seed}
    words = jobs['cache1'].arguments
    assert words[2] == 'build' and 'replay.seed=1' in words and any(callable(word) for word in words)
    assert jobs['kd-seed1'].config.model.teacher.cache == str(jobs['cache1'].answers)


def test_without_caches_nothing_is_said_of_them(parse):
    assert compare_methods.saved(compare_methods.plan(parse(['--methods', 'kd', '--seeds', '1']))) == ''


def test_what_the_caches_saved(parse):
    jobs = compare_methods.plan(parse(['--methods', 'kd', 'nkd', '--seeds', '1', '--cache']))
    cache = jobs['cache0']
    cache.folder.mkdir(parents=True)
    cache.save('done.json', metrics=dict(views=50))  # as the scheduler does
    cache.done = lambda: compare_methods.read_json(cache.folder / 'done.json') | dict(seconds=61)
    try:
        assert 'answered 50 times in 1:01, and 2 runs read it' in compare_methods.saved(jobs)
        assert 'would have answered 100 times' in compare_methods.saved(jobs)
    finally:
        (cache.folder / 'done.json').unlink()
