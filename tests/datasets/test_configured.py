"""The data that a config names."""
import pytest
from mmengine.config import Config

from mmkd.datasets.configured import check_data_exists, gives_rgb
from mmkd.utils import UserError


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
    (dict(ROOT, data_root='data/fashion'), 'scenes are made by: python tools/dataset_converters/fashion.py'),
    (dict(type='FashionMNIST', data_root='data/set', data_prefix='', download=False),
     'expects data/set/train-images-idx3-ubyte, which does not exist. Run: python tools/dataset_converters/fashion.py'),
    (dict(type='mmpretrain.FashionMNIST', data_prefix='data/set/images', download=False),
     'expects data/set/images/train-images-idx3-ubyte, which does not exist'),
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


@pytest.mark.parametrize(('dataset', 'expected'), [
    (dict(type='mmpretrain.CIFAR100'), True),
    (dict(type='RepeatDataset', times=2, dataset=dict(type='ConcatDataset', datasets=[dict(type='CIFAR10')])), True),
    (dict(type='FashionMNIST'), False), (dict(type='CustomDataset', data_root='a'), False)])
def test_the_order_of_channels(dataset, expected):
    assert gives_rgb(config(dataset), 'train') is expected
    assert not gives_rgb(config(dataset), 'val') and not gives_rgb(config(dataset), None)
