"""tools/compare_methods.py: its arguments, its plan, and a comparison of segmentors from end to end."""
import json
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

from mmkd.experiments.jobs.caching import CacheJob
from mmkd.recipes.weightless import without_weights
from mmkd.utils import UserError
from mmkd.utils.configs.finding import load_config

from .conftest import fork

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


@pytest.mark.parametrize(('suite', 'warned'), [('fashion', False), ('fashion-1pct', False), ('fashion-pspnet', True)])
def test_tuned_on_what_is_reported(parse, scenes, monkeypatch, capsys, suite, warned):
    monkeypatch.setattr(compare_methods, 'check_files', lambda name, files: None)
    method = 'cwd' if warned else 'kd'
    (scenes / 'best.json').write_text(json.dumps(dict(best={method: {f'model.terms.{method}.weight': 7}})))
    words = ['--suite', suite, '--seeds', '1', '--methods', method]
    jobs = compare_methods.plan(parse([*words, '--tuned', 'best.json']))
    assert jobs[f'{method}-seed0'].config.model.terms[method].weight == 7
    assert ('images that chose the settings are those that are reported' in capsys.readouterr().err) == warned
    compare_methods.plan(parse(words))
    assert capsys.readouterr().err == ''


def test_a_trained_teacher(parse, tmp_path):
    path = tmp_path / 'my, teacher.pth'
    words = ['--methods', 'kd', '--seeds', '1', '--teacher-checkpoint', str(path), '--teacher-top1', '99']
    with pytest.raises(UserError, match='kd-seed0 expects the weights that its models start from in .*my, teacher.pth'):
        compare_methods.plan(parse(words))  # before the students alone are trained
    path.write_bytes(b'1')
    jobs = compare_methods.plan(parse(words))
    assert 'teacher' not in jobs and jobs['kd-seed0'].config.model.teacher.checkpoint == str(path)
    assert f"model.teacher.checkpoint='{path}'" in jobs['kd-seed0'].arguments  # which the run reads as one text


SCENES = ['--suite', 'fashion-pspnet', '--seeds', '1']


@pytest.mark.parametrize(('arguments', 'message'), [
    (['--seeds', '0'], 'expect 1 or more'), (['--teacher-checkpoint', 'a.pth'], 'needs --teacher-score'),
    (['--teacher-score', '0.312'], 'expects percent, got 0.312'),
    ([*SCENES, '--cache'], '--cache expects classifiers')])
def test_bad_arguments(parse, capsys, arguments, message):
    with pytest.raises(SystemExit):
        parse(arguments)
    assert message in capsys.readouterr().err


def test_unknown_methods_and_options(parse):
    with pytest.raises(UserError, match="got 'nkdd'. Did you mean nkd"):
        compare_methods.plan(parse(['--methods', 'nkdd']))
    with pytest.raises(UserError, match="KEY=VALUE, got 'seed'"):
        compare_methods.plan(parse(['--methods', 'kd', '--seed-options', 'seed']))
    with pytest.raises(UserError, match='option train_cfg.max_epoch expects a key that is read'):
        compare_methods.plan(parse(['--methods', 'kd', '--cfg-options', 'train_cfg.max_epoch=3']))


def test_recipes_of_one_name(parse, tmp_path):
    for name in ('kd', 'alone'):
        (tmp_path / f'{name}.py').write_text('')
    with pytest.raises(UserError, match='different names, got .*kd.py, where kd is .*methods/kd.py. Rename'):
        compare_methods.plan(parse(['--methods', 'kd', str(tmp_path / 'kd.py')]))
    with pytest.raises(UserError, match='got .*alone.py, where alone is the student without a teacher'):
        compare_methods.plan(parse(['--methods', str(tmp_path / 'alone.py')]))
    assert 'kd-seed0' in compare_methods.plan(parse(['--methods', 'kd', 'kd', '--seeds', '1']))


@pytest.mark.parametrize(('words', 'message'), [
    (['--cfg-options', 'randomness.seed=5'], '--cfg-options expects no entry that depends on .* got randomness.seed,'),
    (['--taught-options', 'randomness={"deterministic": True}'], '--taught-options expects .* got randomness,'),
    (['--tuned', 'best.json'], '--tuned, for kd, expects no entry .* got train_dataloader.dataset,'),
    (['--seed-options', 'randomness.seed=3'], r'{seed} in an entry for 2 seeds, got randomness.seed=3. Write random')])
def test_seeds_that_would_be_one_run(parse, tmp_path, words, message):
    (tmp_path / 'best.json').write_text('{"best": {"kd": {"train_dataloader.dataset": 1}}}')
    words = [str(tmp_path / word) if word == 'best.json' else word for word in words]
    with pytest.raises(UserError, match=message):
        compare_methods.plan(parse(['--methods', 'kd', '--seeds', '2', *words]))


def test_entries_beside_those_of_the_seed(parse):
    words = ['--methods', 'kd', '--seed-options', 'randomness.seed={seed}', 'train_cfg.max_epochs=1', '--cfg-options',
             'randomness.deterministic=True', 'train_cfg.max_epochs=2']
    jobs = compare_methods.plan(parse([*words, '--seeds', '2']))
    assert jobs['kd-seed1'].config.randomness.seed == 1 and jobs['kd-seed1'].config.train_cfg.max_epochs == 2
    compare_methods.plan(parse([*words[:2], '--seed-options', 'randomness.seed=3', '--seeds', '1']))


def caches_of(jobs: dict) -> dict[str, str]:
    """Who reads which cache."""
    return {name: next(need for need in job.needs if need.startswith('cache')) for name, job in jobs.items()
            if any(need.startswith('cache') for need in job.needs)}


def test_one_cache_a_seed_for_methods_that_read_logits(parse):
    jobs = compare_methods.plan(parse(['--methods', 'kd', 'nkd', 'fd', '--seeds', '2', '--cache']))
    caches = [name for name in jobs if name.startswith('cache')]
    assert len(caches) == 2 and all(jobs[name].needs == ('teacher', ) for name in caches)
    for seed, cache in enumerate(caches):
        assert cache.startswith(f'cache{seed}-')
        assert set(jobs[f'nkd-seed{seed}'].needs) == {'teacher', cache} == set(jobs[f'kd-seed{seed}'].needs)
        features = jobs[f'fd-seed{seed}']
        assert features.needs == ('teacher', ) and 'cache' not in features.config.model.teacher
        assert {jobs[f'{name}-seed{seed}'].config.replay.seed for name in ('alone', 'kd', 'fd')} == {seed}
    words = jobs[caches[1]].arguments
    assert words[2] == 'build' and 'replay.seed=1' in words and any(callable(word) for word in words)
    assert jobs['kd-seed1'].config.model.teacher.cache == str(jobs[caches[1]].answers)


def test_another_cache_for_other_views(parse):
    jobs = compare_methods.plan(parse(['--methods', 'funmatch', 'kd', 'nkd', '--seeds', '2', '--cache']))
    read = caches_of(jobs)
    assert read['kd-seed0'] == read['nkd-seed0'] != read['funmatch-seed0'] and len(set(read.values())) == 4
    other = compare_methods.plan(parse(['--methods', 'nkd', 'kd', 'funmatch', '--seeds', '2', '--cache']))
    assert caches_of(other) == read  # whoever is named first
    assert all(other[name].key == jobs[name].key for name in (*read, *read.values()))


@pytest.mark.parametrize('option', [
    'data_preprocessor.mean=[1,2,3]', 'randomness.deterministic=True', 'optim_wrapper.type=AmpOptimWrapper',
    'train_dataloader.batch_size=25', 'train_cfg.max_epochs=3', 'replay.seed=7'])
def test_what_is_asked_otherwise_is_another_cache(parse, option):
    words = ['--methods', 'kd', '--seeds', '1', '--cache']
    read = [caches_of(compare_methods.plan(parse(words + more)))['kd-seed0']
            for more in ([], ['--cfg-options', option])]
    assert (read[0] == read[1]) == option.startswith('replay')  # whose seed is the run's


@pytest.mark.parametrize('option', ['model.student.options={"model.head.loss.use_sigmoid": True}',
                                    'model.teacher.dtype=bf16'])
def test_other_models_have_another_cache(parse, option):
    words = ['--methods', 'kd', '--seeds', '1', '--cache']
    read = {caches_of(compare_methods.plan(parse(words + more)))['kd-seed0']
            for more in ([], ['--taught-options', option])}
    assert len(read) == 2


def test_options_of_students_with_a_teacher(parse, scenes):
    (scenes / 't.pth').write_bytes(b'1')
    words = ['--suite', 'fashion-resnet8', '--methods', 'kd', '--seeds', '1', '--cache', '--teacher-checkpoint',
             't.pth', '--teacher-score', '94']
    jobs = compare_methods.plan(parse(words))
    model = jobs['kd-seed0'].config.model
    assert model.student.config == 'fashion/resnet8_fashion.py' and 'teacher' not in jobs['alone-seed0'].config.model
    assert (model.teacher.config, model.teacher.channels_last) == ('fashion/resnet8x3_fashion.py', True)
    for name in ('custom_hooks', 'train_dataloader', 'param_scheduler', 'train_cfg', 'val_dataloader'):
        assert jobs['alone-seed0'].config[name] == jobs['kd-seed0'].config[name]
    jobs = compare_methods.plan(parse([*words, '--taught-options', 'model.teacher.input_size=32']))
    assert jobs['kd-seed0'].config.model.teacher.input_size == 32
    assert 'input_size' not in str(jobs['alone-seed0'].config.model)


def test_the_teacher_of_the_suite_is_trained_first(parse, scenes):
    jobs = compare_methods.plan(parse(['--suite', 'fashion-resnet8', '--seeds', '1', '--cache']))
    assert caches_of(jobs)['ofa-seed0'] == caches_of(jobs)['kd-seed0'] and 'teacher' in jobs['ofa-seed0'].needs
    assert 'configs/fashion/resnet8x3_fashion.py' in jobs['teacher'].arguments


def test_a_teacher_wants_the_weights_that_it_starts_from(parse, scenes):
    config = str(ROOT / 'configs/fashion/efficientnet-lite0_fashion.py')
    words = ['--suite', 'fashion-resnet8', '--seeds', '1', '--cache', '--teacher', config]
    with pytest.raises(UserError, match='teacher expects the weights .* checkpoints/tf_efficientnet_lite0.pth'):
        compare_methods.plan(parse(words))
    (scenes / 'checkpoints').mkdir()
    (scenes / 'checkpoints/tf_efficientnet_lite0.pth').write_bytes(b'1')
    assert config in compare_methods.plan(parse(words))['teacher'].arguments


def test_views_that_repeat_are_asked_about_once(parse, scenes):
    """The pictures of that suite are the same in each of eight epochs."""
    jobs = compare_methods.plan(parse(['--suite', 'fashion-resnet8', '--methods', 'kd', '--seeds', '1', '--cache']))
    cache, = (job for job in jobs.values() if isinstance(job, CacheJob))
    assert cache.epochs == 1 and jobs['kd-seed0'].end == 8
    assert cache.arguments[cache.arguments.index('--epochs') + 1] == '1'
    cache.done = lambda: dict(metrics=dict(views=55000), seconds=60.)
    assert '55,000 times in 1:00, and 1 runs read it; without the caches it would have answered 440,000' in (
        compare_methods.saved(jobs))


def test_without_caches_nothing_is_said_of_them(parse):
    assert compare_methods.saved(compare_methods.plan(parse(['--methods', 'kd', '--seeds', '1']))) == ''


def test_what_the_caches_saved(parse):
    jobs = compare_methods.plan(parse(['--methods', 'kd', 'nkd', '--seeds', '1', '--cache']))
    cache = jobs[caches_of(jobs)['kd-seed0']]
    cache.folder.mkdir(parents=True)
    cache.save('done.json', metrics=dict(views=50))  # as the scheduler does
    cache.done = lambda: compare_methods.read_json(cache.folder / 'done.json') | dict(seconds=61)
    try:
        assert 'answered 50 times in 1:01, and 2 runs read it' in compare_methods.saved(jobs)
        assert 'would have answered 100 times' in compare_methods.saved(jobs)
    finally:
        (cache.folder / 'done.json').unlink()


@pytest.fixture
def scenes(parse, fashion_home, tmp_path, monkeypatch):
    """A folder with the scenes of Fashion-MNIST, in which no backbone is trained yet."""
    (tmp_path / 'data').symlink_to(fashion_home / 'data', target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def save_weights(path: Path, name: str) -> None:
    """Saves a model of Fashion-MNIST as it is built."""
    config = load_config(f'fashion/{name}_fashion.py')
    init_default_scope(config.default_scope)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(dict(state_dict=MODELS.build(without_weights(config)[0]).state_dict()), path)


def test_methods_without_a_teacher_are_students_of_other_weights(parse, scenes):
    with pytest.raises(UserError, match='distilled-seed0 expects the weights that its models start from in'):
        compare_methods.plan(parse([*SCENES, '--teacher-checkpoint', 'a.pth', '--teacher-score', '60']))
    for name in ('work_dirs/convnest-mini_slak-mini-kd_fashion/epoch_10.pth',
                 'work_dirs/slak-mini_fashion/epoch_22.pth', 'a.pth'):
        path = scenes / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b'1')
    jobs = compare_methods.plan(parse(SCENES))
    assert list(jobs) == ['teacher', *(f'{name}-seed0' for name in ('alone', 'distilled', 'cwd', 'distilled-cwd'))]
    assert [name for name, job in jobs.items() if job.needs] == ['cwd-seed0', 'distilled-cwd-seed0']
    key = jobs['distilled-cwd-seed0'].key
    jobs = compare_methods.plan(parse([*SCENES, '--teacher-checkpoint', 'a.pth', '--teacher-top1', '60']))
    assert 'teacher' not in jobs['distilled-seed0'].config.model
    assert jobs['distilled-cwd-seed0'].config.model.teacher.checkpoint == 'a.pth'
    (scenes / 'work_dirs/convnest-mini_slak-mini-kd_fashion/epoch_10.pth').write_bytes(b'2')
    again = compare_methods.plan(parse(SCENES))
    assert again['distilled-cwd-seed0'].key != key  # it starts from something else
    assert jobs['alone-seed0'].key == again['alone-seed0'].key


def student_of(config: Config) -> dict:
    """The student of a config or a recipe, without what its backbone starts from."""
    model = config.model
    if 'student' in model:
        assert set(model.student) == {'config'}
        model = load_config(model.student.config).model
    model = model.to_dict()
    model['backbone'].pop('init_cfg', None)
    return model


@pytest.mark.parametrize(('suite', 'methods'), [
    ('pspnet', ['distilled', 'cwd', 'distilled-cwd']), ('retinanet', ['distilled', 'pkd', 'fgd', 'distilled-pkd']),
    ('mask-rcnn', ['distilled', 'pkd', 'fgd'])])
def test_students_of_a_suite_differ_in_nothing_else(parse, scenes, monkeypatch, suite, methods):
    monkeypatch.setattr(compare_methods, 'check_files', lambda name, files: None)
    jobs = compare_methods.plan(parse(['--suite', f'fashion-{suite}', '--seeds', '1']))
    assert list(jobs) == ['teacher', 'alone-seed0', *(f'{name}-seed0' for name in methods)]
    for name in methods:
        assert student_of(jobs[f'{name}-seed0'].config) == student_of(jobs['alone-seed0'].config)
        own, alone = (jobs[f'{each}-seed0'].config.to_dict() for each in (name, 'alone'))
        for key in ('model', 'levels', 'norm_cfg', 'data_preprocessor'):  # the last two stand in mmseg's models as well
            own.pop(key, None), alone.pop(key, None)
        assert own == alone


def test_a_comparison_of_segmentors(scenes):
    """Of real runs of two iterations: alone, with a teacher, and from other weights."""
    save_weights(scenes / 'teacher.pth', 'pspnet_slak-mini')
    save_weights(scenes / 'student.pth', 'convnest-mini')
    (scenes / 'started.py').write_text(
        f"_base_ = '{ROOT}/configs/fashion/pspnet_convnest-mini-distilled_fashion.py'\n"
        f"model = dict(backbone=dict(init_cfg=dict(checkpoint='{scenes}/student.pth')))\n")
    data = [f'{split}_dataloader.dataset.data_root={scenes}/data/fashion' for split in ('train', 'val')]
    teacher = ['--teacher-checkpoint', 'teacher.pth', '--teacher-score', '50']
    result = fork('compare_methods.py', *SCENES, '--methods', 'cwd', 'started.py', *teacher, '--seed-options',
                  'randomness.seed={seed}', '--work-dir', 'compared', '--jobs', '1', '--cfg-options', *data,
                  'train_cfg.max_epochs=1', 'train_dataloader.batch_size=4', cwd=scenes)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr
    table = (scenes / 'compared/comparison.md').read_text()
    assert '| method | mIoU (%) |' in table and '| 3 × CWDLoss(temperature=4) |' in table
    assert f'| backbone from {scenes}/student.pth |' in table
    found = json.loads((scenes / 'compared/comparison.json').read_text())
    assert found['metric'] == 'mIoU' and set(found['methods']) == {'cwd', 'started'} and found['teacher'] == 50
    done = json.loads((scenes / 'compared/cwd-seed0/done.json').read_text())
    assert found['methods']['cwd']['score']['values'] == [round(done['metrics']['mIoU'], 6)]
    assert 'ConvNeSt from' in (scenes / 'compared/started-seed0/output.txt').read_text()
