"""tools/tune.py: its plan, and a small tuning from end to end."""
import copy
import json
import math
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mmkd.experiments.jobs.training import load, value_at
from mmkd.utils import UserError
from mmkd.utils.configs.options import merge_options

from .conftest import fork

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / 'tools'))
import tune  # noqa: E402

KD = ['--methods', 'kd', '--teacher-checkpoint', 'tuned_by.pth']


@pytest.fixture
def plan(monkeypatch, home):
    monkeypatch.chdir(home)
    (home / 'tuned_by.pth').write_bytes(b'1')
    return lambda *words: tune.Tuning(tune.parse_args([*KD, *words]), home)


def test_short_runs_and_whole_runs(plan):
    tuning = plan('--grid', 'model.terms.kd.weight=0.5,2', '--cfg-options', 'val_cfg.fp16=True')
    assert tuning.settings == {'kd': [{}, {'model.terms.kd.weight': 0.5}, {'model.terms.kd.weight': 2}]}
    short, whole = tuning.jobs(0.25, {'kd': [0, 2]}), tuning.jobs(1., {'kd': [2]})
    assert list(short) == [('kd', 0), ('kd', 2)] and list(whole) == [('kd', 2)]
    config = short['kd', 2].config
    assert config.train_cfg.max_epochs == 3 and whole['kd', 2].config.train_cfg.max_epochs == 10
    assert config.train_cfg.val_interval > 10  # only after the last, which alone counts
    assert config.model.terms.kd.weight == 2 and short['kd', 0].config.model.terms.kd.weight == 1
    assert config.randomness.seed == 4 and config.val_cfg.fp16 is True
    assert config.train_dataloader.dataset.dataset.ann_file.endswith('seed4.txt')
    assert config.model.teacher.checkpoint == 'tuned_by.pth'


def test_a_short_run_is_a_share_of_what_the_command_line_says(plan):
    """As of a suite that trains its students longer than their recipes do."""
    tuning = plan('--grid', 'model.terms.kd.weight=2', '--cfg-options', 'train_cfg.max_epochs=40')
    for share, epochs in ((0.3, 12), (1., 40)):
        assert tuning.jobs(share, {'kd': [0]})['kd', 0].config.train_cfg.max_epochs == epochs
    tuning.suite = replace(tuning.suite, student_options={'train_cfg.max_epochs': 160})
    tuning.args.cfg_options = ()
    assert tuning.jobs(0.3, {'kd': [0]})['kd', 0].config.train_cfg.max_epochs == 48


def test_a_setting_keeps_its_name_whatever_else_is_tried(plan):
    def names(values):
        tuning = plan('--grid', f'model.terms.kd.weight={values}')
        jobs = tuning.jobs(1., {'kd': list(range(len(tuning.settings['kd'])))}).values()
        return {job.config.model.terms.kd.weight: job.name for job in jobs}
    one, more = names('2'), names('5,2')
    assert one.keys() == {1, 2} and one[1] == 'kd-own' and more.keys() == {1, 2, 5}
    assert one.items() <= more.items() and len(set(more.values())) == 3


def test_no_setting_is_trained_twice(plan):
    assert plan('--grid', 'model.terms.kd.weight=1,1,1').settings == {'kd': [{}]}  # which the recipe has
    assert plan('--grid', 'val_cfg.fp16=True,False,True', '--cfg-options', 'train_cfg.val_begin=2').settings == {
        'kd': [{}, {'val_cfg.fp16': True}, {'val_cfg.fp16': False}]}
    with pytest.raises(UserError, match='--grid expects each key once, got model.terms.kd.weight again. Write all'):
        plan('--grid', 'model.terms.kd.weight=0.5', '--grid', 'model.terms.kd.weight=2')


@pytest.mark.parametrize(('grid', 'option'), [
    ('model.terms.kd.weight=2', 'model.terms.kd.weight=3'), ('model.terms.kd.weight=2', 'model.terms.kd={"weight": 3}'),
    ('model.teacher.checkpoint=a,b', 'val_cfg.fp16=True')])
def test_a_grid_of_what_the_command_line_sets(plan, grid, option):
    with pytest.raises(UserError, match='a grid of kd expects keys that nothing else sets, got model'):
        plan('--grid', grid, '--cfg-options', option)


def test_a_plan_before_the_data_are_there(monkeypatch, tmp_path):
    """They are put in place by the first job."""
    monkeypatch.chdir(tmp_path)
    tuning = tune.Tuning(tune.parse_args(['--methods', 'kd', '--grid', 'model.terms.kd.weight=2']), tmp_path)
    with pytest.raises(UserError, match='data/digits'):
        tuning.teacher  # noqa: B018


def test_a_suite_without_grids(plan):
    with pytest.raises(UserError, match='--grid or --grids is expected, as the suite digits has no grids'):
        plan()


@pytest.mark.parametrize('words', [['--short', '0'], ['--keep', '0'], ['--budget', '0']])
def test_bad_arguments(plan, words, capsys):
    with pytest.raises(SystemExit):
        plan(*words)
    assert 'expect 1 or more' in capsys.readouterr().err


def test_an_unknown_metric(plan, tmp_path):
    tuning = plan('--grid', 'model.terms.kd.weight=2', '--metric', 'mIoU')
    job = tuning.jobs(1., {'kd': [0]})['kd', 0]
    job.done = lambda: dict(metrics={'accuracy/top1': 3.})
    with pytest.raises(UserError, match='kd-own expects mIoU among .* got accuracy/top1. Name one of these with'):
        tuning.accuracy(job)


def test_the_metric_is_the_suites(monkeypatch, fashion_home):
    monkeypatch.chdir(fashion_home)
    (fashion_home / 'tuned_by.pth').write_bytes(b'1')
    words = [*KD[2:], '--suite', 'fashion-mask-rcnn', '--grid', 'model.terms.pkd.weight=3']
    tuning = tune.Tuning(tune.parse_args(['--methods', 'pkd', *words]), fashion_home)
    assert tuning.of_suite and tuning.settings == {'pkd': [{}, {'model.terms.pkd.weight': 3}]}
    job = tuning.jobs(1., {'pkd': [1]})['pkd', 1]
    job.done = lambda: dict(metrics={'coco/bbox_mAP': 0.312})
    assert tuning.accuracy(job) == 31.2
    job.done = lambda: dict(metrics={})
    assert math.isnan(tuning.accuracy(job))  # it diverged
    with pytest.raises(UserError, match='expects recipes with a teacher, got distilled'):
        tune.Tuning(tune.parse_args(['--methods', 'distilled', *words]), fashion_home)
    tuning = tune.Tuning(tune.parse_args([*words[:-1], 'train_dataloader.batch_size=3']), fashion_home)
    assert list(tuning.recipes) == ['pkd', 'fgd']  # and not the student that has no terms
    with pytest.raises(UserError, match='the suite fashion-mask-rcnn has no grids'):
        tune.Tuning(tune.parse_args(['--methods', 'pkd', *words[:4]]), fashion_home)


def test_a_suite_of_some_methods_has_the_grids_of_its_folder(monkeypatch, fashion_home):
    monkeypatch.chdir(fashion_home)
    checkpoint = fashion_home / 'tuned_by.pth'
    checkpoint.write_bytes(b'1')
    tuning = tune.Tuning(tune.parse_args(['--suite', 'fashion-resnet8', '--methods', 'kd', '--teacher-checkpoint',
                                          str(checkpoint)]), fashion_home)
    assert len(tuning.settings['kd']) > 1
    config = tuning.jobs(1., {'kd': [0]})['kd', 0].config
    assert config.model.student.config == 'fashion/resnet8_fashion.py' and config.model.teacher.channels_last


@pytest.mark.parametrize(('teacher', 'message'), [
    ([], 'teacher expects the weights .* work_dirs/slak-mini_fashion'),
    (['--teacher-checkpoint', 'none.pth', '--methods', 'pkd'], 'pkd-own-short expects the weights .* none.pth'),
    (['--teacher', str(ROOT / 'configs/fashion/retinanet_convnest-mini_fashion.py')],
     'distilled-pkd-own-short expects the weights .* work_dirs/convnest-mini_slak-mini-kd_fashion')])
def test_all_files_are_there_before_a_teacher_is_trained(monkeypatch, fashion_home, teacher, message):
    monkeypatch.chdir(fashion_home)
    words = ['--suite', 'fashion-retinanet', '--methods', 'distilled-pkd', '--grid', 'model.terms.pkd.weight=3']
    tuning = tune.Tuning(tune.parse_args([*words, *teacher]), fashion_home)
    run = []
    monkeypatch.setattr(tune, 'run_jobs', lambda jobs, *_: run.extend(job.name for job in jobs))
    with pytest.raises(UserError, match=message):
        tune.tune(tuning, 0)
    assert run == ['data']


@pytest.mark.parametrize(('grid', 'message'), [
    ('model.term.kd.weight=2', 'a grid of kd expects a place that its recipe has, got model.term.kd.weight. .*'),
    ('model.terms.kd.wieght=2', "a grid of kd expects a key of a term, got 'wieght'. Did you mean weight"),
    ('train_cfg.max_epoch=2', 'option train_cfg.max_epoch expects a key that is read')])
def test_a_misspelt_key_is_found_before_anything_is_trained(plan, grid, message):
    with pytest.raises(UserError, match=message):
        plan('--grid', grid).jobs(0.3, {'kd': [0, 1]})


@pytest.mark.parametrize(('grid', 'message'), [
    ('model.terms.kd.loss.temprature=1', r"kd \(kd.loss.temprature=1\): KDLoss .* 'temprature'. Did you mean temp"),
    ('model.terms.kd.loss.temperature=2,-1', r'kd \(kd.loss.temperature=-1\): KDLoss expects temperature'),
    ('model.terms.kd.loss.temperature=a', r'kd \(.*\): KDLoss expects temperature to be a finite number, got .a'),
    ('model.terms.kd.weight=nan', r'kd \(.*\) expects numbers, got NaN for model.terms.kd.weight'),
    ('model.terms.kd.weight=-1', r"kd \(.*\): term 'kd': weight expects value"),
    ('model.terms.kd=1,2', r"kd \(kd=1\): term 'kd' expects a dict of loss, .*, got 1"),
    ('model.terms.kd.loss.type=mmkd.KDLos', r"kd \(.*\): term 'kd' expects a registered type, .* mmkd.KDLoss"),
    ('optim_wrapper.optimizer.lrr=1', r"kd \(.*lrr=1\): \w+ expects arguments that it has, got 'lrr'. Did you mean lr"),
    ('optim_wrapper.optimizer.lr=-1', r'kd \(.*\) expects optim_wrapper.optimizer.lr to be a number from 0')])
def test_a_setting_that_no_run_can_take_is_found_before_anything_is_trained(plan, grid, message):
    with pytest.raises(UserError, match=message):
        plan('--grid', grid)


def test_the_terms_of_a_recipe_with_modules_of_its_own_are_not_examined(plan, home):
    (home / 'own.py').write_text(f"_base_ = '{ROOT}/configs/quickstart/methods/kd.py'\n"
                                 "custom_imports = dict(imports=['nowhere'])\n"
                                 "model = dict(terms=dict(kd=dict(loss=dict(type='OwnLoss'))))\n")
    settings = plan('--methods', 'own.py', '--grid', 'model.terms.kd.loss.alpha=3').settings
    assert settings == {'own': [{}, {'model.terms.kd.loss.alpha': 3}]}


def test_a_setting_that_diverges_is_the_worst(workplace):
    """Of real runs: a learning rate of 10,000 ends in NaN or inf, and is no error."""
    digits = [f'{key}.dataset.data_root={workplace}/data/digits' for key in ('train_dataloader.dataset',
                                                                             'val_dataloader')]
    words = ['--methods', 'recipe.py', '--teacher-checkpoint', 'teacher/epoch_4.pth', '--cfg-options', *digits,
             'train_dataloader.dataset.times=1', 'train_cfg.max_epochs=2', '--grid', 'optim_wrapper.optimizer.lr=10000',
             '--short', '0.5', '--keep', '1', '--work-dir', 'tuning', '--jobs', '2']
    result = fork('tune.py', *words, cwd=workplace)
    assert result.returncode == 0, result.stderr
    out = workplace / 'tuning'
    assert json.loads((out / 'best.json').read_text())['best'] == {'recipe': {}}
    table = (out / 'tuning.md').read_text()
    assert 'diverged' in table and '| best |' in table and (out / 'tuning.png').is_file()
    done = [path.stat().st_mtime for path in sorted(out.glob('*/done.json'))]
    again = fork('tune.py', *words, cwd=workplace)
    assert again.returncode == 0 and [path.stat().st_mtime for path in sorted(out.glob('*/done.json'))] == done


def merged(recipe, setting):
    config = copy.deepcopy(recipe)
    merge_options(config, setting)
    return config


@pytest.mark.parametrize('name', ['vanilla_kd/resnet18_resnet34-kd_8xb32-90e_in1k.py',
                                  'fashion/retinanet_convnest-mini_retinanet-slak-mini-fgd_fashion.py'])
def test_the_settings_of_recipes_are_taken(name):
    tune.check_setting('own', {}, load(name))


def test_the_grids_of_a_suite_fit_its_recipes():
    """Each method has a grid, and each key of it stands in the recipe or is a weight that it leaves at 1."""
    suite = tune.SUITES['fashion']
    methods = sorted((ROOT / suite.methods).glob('*.py'))
    grids = tune.read_grids(ROOT / suite.methods / 'grids.yml', [path.stem for path in methods])
    for path in methods:
        recipe = load(str(path))
        for key in grids[path.stem]:
            assert value_at(recipe, key) is not None or key.endswith('.weight'), (path.stem, key)
            assert value_at(recipe, key.rpartition('.')[0]) is not None, (path.stem, key)
        for setting in tune.settings_of(grids[path.stem], 100):
            tune.check_setting(path.stem, setting, merged(recipe, setting))
            assert not setting or any(value_at(recipe, key) != value for key, value in setting.items())  # no run twice
