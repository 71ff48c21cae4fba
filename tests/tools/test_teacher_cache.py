"""``mmkd cache``: its options, exit status and messages."""
import json
import shutil

import pytest

from .conftest import SHRINK, call, fork

BUILD = ('build', 'recipe.py', '--cfg-options', 'train_dataloader.dataset.times=1')


@pytest.fixture(scope='module')
def built(workplace):
    result = fork('teacher_cache.py', *BUILD, '--epochs', 2, '--out', 'caches/a', '--topk', 'all', '--dtype', 'fp16',
                  cwd=workplace)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_build_tells_size_progress_and_accuracy(built, workplace):
    lines = built.splitlines()
    assert any(line.startswith('a record: all 10 logits in fp16; stage2') for line in lines)
    assert any('2 epochs of 50 views: ' in line and ', 0 of them there' in line for line in lines)
    assert any('views a second' in line and "the teacher's top-1 is" in line for line in lines)
    assert lines[-1].startswith('caches/a: 2 epochs of 50 views')


def test_info_needs_no_recipe(built, workplace, capsys):
    assert call('teacher_cache.py', 'info', 'caches/a', cwd=workplace) == 0
    assert '2 of 2 epochs are there' in capsys.readouterr().out


def test_check_agrees_and_says_when_it_does_not(built, workplace, capsys):
    options = ['caches/a', '--cfg-options', 'train_dataloader.dataset.times=1']
    assert call('teacher_cache.py', 'check', 'recipe.py', *options, cwd=workplace) == 0
    assert 'no problems found' in capsys.readouterr().out
    assert call('teacher_cache.py', 'check', 'recipe.py', 'caches/a', cwd=workplace) == 1
    assert 'error: the number of samples is 50 in the cache and 100 in the recipe' in capsys.readouterr().out


@pytest.mark.parametrize(('options', 'words'), [
    (['--topk', '0'], "--topk expects a number from 1, or 'all', got '0'"),
    (['--topk', 'x'], "got 'x'"), (['--batch-size', 0], '--batch-size expects 1 or more'),
    (['--seed', -1], '--seed expects 0 or more'), (['--epochs', 0], '--epochs expects 1 or more'),
    (['--tap', 'stage7'], 'stage7')])
def test_wrong_options_end_with_a_line(workplace, capsys, options, words):
    assert call('teacher_cache.py', *BUILD, '--epochs', 1, '--out', 'caches/wrong', *options, cwd=workplace) == 2
    assert words in capsys.readouterr().err


def test_a_config_without_a_teacher_is_refused(workplace, capsys):
    config = 'quickstart/convnest-mini_digits-5shot.py'
    assert call('teacher_cache.py', 'build', config, '--epochs', 1, '--out', 'caches/b', cwd=workplace) == 2
    assert 'expects a distillation recipe' in capsys.readouterr().err


def test_a_header_from_elsewhere_is_data(built, workplace, capsys):
    shutil.copytree(workplace / 'caches/a', workplace / 'caches/c')
    content = json.loads((workplace / 'caches/c/header.json').read_text())
    content['teacher']['config'] = dict(type='os.system', command='touch hacked')
    content['views']['seed'] = "__import__('os').system('touch hacked')"
    (workplace / 'caches/c/header.json').write_text(json.dumps(content))
    call('teacher_cache.py', 'info', 'caches/c', cwd=workplace)
    call('teacher_cache.py', 'check', 'recipe.py', 'caches/c', '--cfg-options', 'train_dataloader.dataset.times=1',
         cwd=workplace)
    assert not (workplace / 'hacked').exists()


def test_from_a_recipe_to_a_run_that_equals_the_live_one(workplace, capsys):
    """Two commands; in the recipe's own batches the weights are the live run's to the last bit."""
    import torch
    options = [*SHRINK, 'train_cfg.max_epochs=2', 'randomness.seed=0']
    assert call('teacher_cache.py', 'build', 'recipe.py', '--epochs', 2, '--out', 'caches/own', '--like-training',
                '--cfg-options', *options, cwd=workplace) == 0
    for name, extra in (('cached', 'model.teacher.cache=caches/own'), ('live', 'replay.seed=0')):
        assert call('train.py', 'recipe.py', '--work-dir', f'runs/{name}', '--no-validate', '--cfg-options', *options,
                    extra, cwd=workplace) == 0
    live, cached = (torch.load(workplace / f'runs/{name}/epoch_2.pth', weights_only=False)['state_dict']
                    for name in ('live', 'cached'))
    assert live.keys() == cached.keys() and all(torch.equal(live[key], cached[key]) for key in live)


def test_a_recipe_whose_teacher_is_only_a_cache_is_checked(built, workplace, capsys):
    alone = "_base_ = './recipe.py'\nmodel = dict(teacher=dict(_delete_=True, cache='caches/a'))\n"
    (workplace / 'alone.py').write_text(alone + 'train_dataloader = dict(dataset=dict(times=1))\n')
    options = ['--batches', 1, '--device', 'cpu', '--cfg-options', 'train_dataloader.batch_size=10']
    assert call('analysis_tools/check_recipe.py', 'alone.py', *options, cwd=workplace) == 0, capsys.readouterr().out
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].startswith('alone.py: errors: 0') and any('training step' in line for line in lines)
    (workplace / 'alone.py').write_text(alone)  # views of each picture twice
    assert call('analysis_tools/check_recipe.py', 'alone.py', *options, cwd=workplace) != 0
    said = capsys.readouterr()
    assert 'the number of samples is 50 in the cache and 100 in the recipe' in said.out + said.err
