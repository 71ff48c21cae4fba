"""What the command-line tools share: looking for the data, and errors of one line."""
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import MODELS

from mmkd.utils import UserError
from mmkd.utils.cli import check_data_exists, one_line_errors


def config(dataset: dict, split: str = 'train') -> Config:
    return Config({f'{split}_dataloader': dict(dataset=dataset)})


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A dataset in data/set, seen from its parent folder."""
    for folder in ('images/train', 'labels/train'):
        (tmp_path / 'data/set' / folder).mkdir(parents=True)
    (tmp_path / 'data/set/train.json').touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


ROOT_FOLDER = Path(__file__).parents[2]
ROOT = dict(type='Some', data_root='data/set')


@pytest.mark.parametrize('dataset', [
    dict(ROOT, data_prefix='images/train', ann_file='train.json'),
    dict(ROOT, data_prefix=dict(img='images/train/', seg_map_path='labels/train'), ann_file='train.json'),
    dict(ROOT, data_prefix=dict(img=''), ann_file=''),
    dict(type='Some', data_root=None, data_prefix='data/set/images/train', ann_file='data/set/train.json'),
    dict(type='RepeatDataset', times=2, dataset=dict(ROOT, ann_file='train.json')),
    dict(type='ConcatDataset', datasets=[ROOT, dict(type='RepeatDataset', dataset=ROOT)]),
    dict(type='Some', data_root='s3://bucket/set', ann_file='train.json'),
    dict(type='Some', data_root='data/set', ann_file='s3://bucket/train.json'),
    dict(type='CIFAR10', data_root='data/cifar10'),  # is downloaded
    dict(type='mmpretrain.CIFAR10', data_root='data/cifar10'),
    {},
])
def test_what_is_there(data, dataset):
    check_data_exists(config(dataset))


@pytest.mark.parametrize(('dataset', 'message'), [
    (dict(ROOT, data_root='data/sets'), r'train_dataloader.dataset \(Some\) expects data/sets, which does not exist'),
    (dict(ROOT, data_prefix='images/val'), 'expects data/set/images/val,'),
    (dict(ROOT, data_prefix=dict(img='images/train', seg_map_path='labels/val')), 'expects data/set/labels/val,'),
    (dict(ROOT, ann_file='val.json'), 'expects data/set/val.json,'),
    (dict(type='RepeatDataset', dataset=dict(ROOT, ann_file='val.json')),
     'data/set/val.json, .*set train_dataloader.dataset.dataset.data_root with'),
    (dict(type='ConcatDataset', datasets=[ROOT, dict(ROOT, data_root='data/none')]),
     'data/none, .*set train_dataloader.dataset.datasets.1.data_root with'),
    (dict(type='CIFAR10', data_root='data/cifar10', download=False), 'expects data/cifar10,'),
    (dict(ROOT, data_root='data/digits'), 'made by: python tools/dataset_converters/digits.py'),
])
def test_what_is_missing(data, dataset, message):
    with pytest.raises(UserError, match=message):
        check_data_exists(config(dataset))


def test_only_the_splits_asked_for():
    missing = config(dict(ROOT, data_root='data/none'), 'val')
    check_data_exists(missing, ('train', 'test'))
    with pytest.raises(UserError, match='val_dataloader'):
        check_data_exists(missing, ('train', 'val'))
    check_data_exists(Config(dict(val_dataloader=None)))


SAMPLER = dict(type='DefaultSampler', shuffle=True)


@pytest.mark.parametrize(('loader', 'message'), [
    ({}, 'train_dataloader expects a dict with a dataset, got {}'),
    (dict(dataset=None), 'train_dataloader expects a dict with a dataset'),
    (dict(dataset={}, sampler=None), 'the same order in each epoch'),
    (dict(dataset={}, sampler=3), 'train_dataloader.sampler expects a dict, got 3'),
    (dict(dataset={}, sampler=[1, 0]), r'train_dataloader.sampler expects a dict, got \[1, 0\]'),
    (dict(dataset={}, sampler=SAMPLER, batch_sampler='abc'), "train_dataloader.batch_sampler expects .* got 'abc'"),
])
def test_loaders_that_nobody_means(loader, message):
    with pytest.raises(UserError, match=message):
        check_data_exists(Config(dict(train_dataloader=loader)))


@pytest.mark.parametrize('loader', [
    dict(dataset={}, sampler=SAMPLER, batch_sampler=None), dict(dataset={}, sampler=None, shuffle=True),
    dict(dataset={}, sampler=None, batch_sampler=dict(type='AspectRatioBatchSampler'))])
def test_loaders_that_draw_images(loader):
    check_data_exists(Config(dict(train_dataloader=loader)))


def failing(error: BaseException) -> int:
    @one_line_errors
    def main() -> None:
        raise error

    with pytest.raises(SystemExit) as exit:
        main()
    return exit.value.code


def test_a_users_mistake_is_one_line(capsys):
    assert failing(UserError('expects A,\n  got B.')) == 2
    assert capsys.readouterr() == ('', 'error: expects A, got B.\n')


def test_the_interrupt_key_is_no_error(capsys):
    assert failing(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == 'interrupted\n'


@pytest.mark.parametrize(('kind', 'message'), [
    ('mmkd.ConvNest', "expects a registered model, got 'mmkd.ConvNest'. Did you mean mmkd.ConvNeSt"),
    ('ConvNest', 'mmkd.ConvNeSt'),
    ('Nonsense12345', "expects a registered model, got 'Nonsense12345'. Check its spelling and its scope.\n")])
def test_an_unknown_type_is_one_line_with_the_nearest(capsys, kind, message):
    with pytest.raises(KeyError) as caught:
        MODELS.build(dict(type=kind))
    assert failing(caught.value) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize('error', [KeyError('depths'), KeyError(), ValueError('a bug')])
def test_a_bug_keeps_its_traceback(error):
    @one_line_errors
    def main() -> None:
        raise error

    with pytest.raises(type(error)):
        main()


@pytest.mark.parametrize('command', [
    ('-m', 'mmkd.zoo', 'list'), ('-m', 'mmkd.zoo', '--help'), ('tools/train.py', '--help')])
def test_a_reader_that_has_gone_is_no_error(command):
    """What ``| head`` does once it has read enough: little is printed, so that it lies in a buffer until the end."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([sys.executable, *command], stdout=writing, stderr=subprocess.PIPE, text=True,
                          cwd=ROOT_FOLDER)
    os.close(writing)
    assert done.stderr == '' and (done.returncode == 141 or '--help' in command)  # which argparse itself keeps quiet


def test_a_closed_pipe_hides_no_error():
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([sys.executable, '-m', 'mmkd.zoo', 'list', 'none*'], stdout=writing, stderr=subprocess.PIPE,
                          text=True, cwd=ROOT_FOLDER)
    os.close(writing)
    assert done.returncode == 2 and "got 'none*'" in done.stderr
