"""Folders in which a data set would find no image."""
from pathlib import Path

import pytest
from mmengine.config import Config

from mmkd.utils import UserError
from mmkd.utils.cli import check_data_exists

IMAGES = dict(type='CustomDataset', data_root='data', data_prefix='train')
SCENES = dict(type='mmseg.BaseSegDataset', data_root='data', data_prefix=dict(img_path='train', seg_map_path='train'))


def check(dataset: dict) -> None:
    check_data_exists(Config(dict(train_dataloader=dict(dataset=dataset))), ('train', ))


@pytest.fixture
def fill(tmp_path, monkeypatch):
    """Puts empty files below data/train."""
    monkeypatch.chdir(tmp_path)

    def _fill(*names: str) -> None:
        for name in ('', *names):
            path = tmp_path / 'data/train' / name
            (path.parent if name else path).mkdir(parents=True, exist_ok=True)
            if name:
                path.touch()

    return _fill


@pytest.mark.parametrize(('dataset', 'files', 'message'), [
    (IMAGES, (), r'train_dataloader.dataset \(CustomDataset\) expects images that end in .jpg, .*.tif below data/train,'
     ' got no file at all'),
    (IMAGES, ('a/1.webp', 'b/2.webp', 'b/x'), 'got 2 .webp, 1 without a suffix. Set train_dataloader.dataset.exten'),
    (IMAGES, ('a/.1.jpg', '.hidden/2.jpg', '__MACOSX/3.jpg'), 'got no file at all'),
    (dict(IMAGES, extensions=['.webp']), ('a/1.png', ), 'end in .webp below data/train, got 1 .png'),
    (SCENES, ('1.png', '2.txt'), r'end in .jpg below data/train, got 1 .png, 1 .txt. Set .*img_suffix'),
    (dict(type='RepeatDataset', times=2, dataset=IMAGES), (), r'train_dataloader.dataset.dataset \(Custom'),
    (IMAGES, [f'{suffix}/1.{suffix}' for suffix in 'abcdefg'], 'and 2 others')])
def test_nothing_to_read(fill, dataset, files, message):
    fill(*files)
    with pytest.raises(UserError, match=message):
        check(dataset)


@pytest.mark.parametrize(('dataset', 'files'), [
    (IMAGES, ('a/1.JPG', )), (dict(IMAGES, extensions=('.webp', )), ('a/1.webp', )), (SCENES, ('x/1.jpg', )),
    (dict(SCENES, img_suffix='.png'), ('1.png', )), (dict(IMAGES, type='CIFAR10'), ())])
def test_images(fill, dataset, files):
    fill(*files)
    check(dataset)


def test_what_is_listed_or_lies_elsewhere_is_not_looked_at(fill):
    fill('a/1.webp')
    Path('list.txt').write_text('a/1.webp 0\n')
    check(dict(IMAGES, ann_file='../list.txt'))
    check(dict(SCENES, data_root='s3://bucket'))
