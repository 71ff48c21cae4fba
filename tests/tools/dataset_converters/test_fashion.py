"""tools/dataset_converters/fashion.py on generated files, and the dataset configs that read what it makes."""
import json
import os
import shutil
import sys
from collections import Counter
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope
from PIL import Image

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / 'tools/dataset_converters/fashion.py'
sys.path.insert(0, str(SCRIPT.parent))  # as Python does for a script
import fashion  # noqa: E402
from fashion_drawing import cut_out, silhouette  # noqa: E402

from mmkd.datasets.scenes.writing import PALETTE  # noqa: E402
from mmkd.utils import UserError  # noqa: E402
from tests.fashion_files import photos, write_fashion  # noqa: E402
from tests.forked import run_forked  # noqa: E402

SETTINGS = fashion.Settings(scenes_train=12, scenes_val=5)
SPLITS = ('train', 'val')


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    """A working directory with the data; what they are made of."""
    home = tmp_path_factory.mktemp('home')
    known = write_fashion(home / 'files')
    assert fashion.convert(home / 'data/fashion', SETTINGS, home / 'files', known=known)
    return home, known


@pytest.fixture
def data(made, monkeypatch):
    monkeypatch.chdir(made[0])
    return made[0] / 'data/fashion'


def instances(data, split):
    return json.loads((data / f'scenes/annotations/instances_{split}.json').read_text())


def decode(rle):
    values = np.arange(len(rle['counts'])) % 2
    return np.repeat(values, rle['counts']).reshape(rle['size'], order='F').astype(bool)


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob('*') if path.is_file()}


def fork(folder, *args):
    """Runs the script in a folder, without waiting for imports."""
    return run_forked(SCRIPT, *args, cwd=folder, env=dict(os.environ, PYTHONPATH=str(ROOT)), folder=folder)


def test_same_seed_same_bytes(data, made, tmp_path):
    home, known = made
    fashion.convert(tmp_path / 'again', SETTINGS, home / 'files', known=known)
    assert files(tmp_path / 'again') == files(data)
    fashion.convert(tmp_path / 'other', fashion.Settings(1, 1, 1), home / 'files', known=known)
    name = 'scenes/images/train/scene_0000.png'
    assert files(tmp_path / 'other')[name] != files(data)[name]


def test_no_piece_is_in_both_splits(data):
    rows = {split: {a['fashion_index'] for a in instances(data, split)['annotations']} for split in SPLITS}
    assert max(rows['train']) < 220 <= min(rows['val']) <= max(rows['val']) < 240
    full = fashion.split_rows(60000)
    assert [len(full[split]) for split in SPLITS] == [55000, 5000] and full['val'][0] == 55000


@pytest.mark.parametrize('split', SPLITS)
def test_masks_agree_with_boxes_label_images_and_labels(data, split):
    coco, (_, labels) = instances(data, split), photos(240, 0)
    assert [category['name'] for category in coco['categories']] == list(fashion.CLASSES)
    for image in coco['images']:
        own = [a for a in coco['annotations'] if a['image_id'] == image['id']]
        assert 1 <= len(own) <= 8
        union = np.zeros((image['height'], image['width']), int)
        for annotation in own:
            mask = decode(annotation['segmentation'])
            y, x = np.nonzero(mask)
            assert annotation['bbox'] == [x.min(), y.min(), np.ptp(x) + 1, np.ptp(y) + 1]
            assert annotation['area'] == mask.sum() > 20 and not union[mask].any()
            assert annotation['category_id'] == labels[annotation['fashion_index']] + 1
            union[mask] = annotation['category_id']
        with Image.open(data / 'scenes/annotations_seg' / split / image['file_name']) as picture:
            assert picture.mode == 'P' and np.array_equal(np.array(picture), union)


def test_the_ground_is_textured_and_things_overlap(data):
    spreads, touching = [], 0
    for image in instances(data, 'train')['images']:
        with Image.open(data / 'scenes/annotations_seg/train' / image['file_name']) as picture:
            ground = np.array(picture) == 0
        with Image.open(data / 'scenes/images/train' / image['file_name']) as picture:
            spreads.append(np.array(picture)[ground].std(0).mean())
        touching += ground.mean() < 0.9
    assert min(spreads) > 4 and np.max(spreads) > 12 and touching > 6


def test_a_silhouette_is_one_piece_without_holes():
    photo = np.zeros((28, 28), np.uint8)
    photo[5:20, 5:20] = 200
    photo[9:12, 9:12] = 0  # a hole
    photo[25, 25] = 200  # a speck
    assert silhouette(photo).sum() == 225 and silhouette(photo)[5:20, 5:20].all()
    assert silhouette(np.zeros((28, 28), np.uint8)).all()  # nothing stands out


@pytest.mark.parametrize('size', [1., 24.4, 43.])
def test_a_cutout_has_its_size_and_no_black_edge(size):
    photo = np.zeros((28, 28), np.uint8)
    photo[2:26, 8:20] = 255
    cutout = cut_out(np.random.default_rng(0), photo, size)
    assert max(cutout.opacity.shape) == round(size) and cutout.grey.shape == cutout.opacity.shape
    assert cutout.grey[cutout.opacity > 0.01].min() > 0.99
    canvas = np.zeros((*cutout.opacity.shape, 3))
    cutout.paint(np.random.default_rng(0), canvas)
    assert canvas[cutout.opacity == 1].max() == pytest.approx(1)


def test_half_are_mirrored():
    photo = np.zeros((28, 28), np.uint8)
    photo[4:24, 4:24] = np.linspace(50, 250, 20).astype(np.uint8)
    rng = np.random.default_rng(0)
    rising = [cut_out(rng, photo, 20).grey[10, 0] < 0.5 for _ in range(200)]
    assert 70 < sum(rising) < 130


def build(name, scope, split):
    """Builds a dataset of a config through its package's registry; returns the config too."""
    pytest.importorskip(f'{scope}.datasets')
    init_default_scope(scope)
    config = Config.fromfile(ROOT / f'configs/fashion/_base_/datasets/{name}.py')
    registry = import_module(f'{scope}.registry').DATASETS
    return registry.build(config[f'{split}_dataloader'].dataset), config


@pytest.mark.parametrize('split, seed, count', [('train', 0, 240), ('val', 0, 240), ('test', 1, 40)])
def test_mmpretrain_reads_all(data, split, seed, count):
    dataset, _ = build('fashion_cls', 'mmpretrain', split)
    images, labels = photos(count, seed)
    assert len(dataset) == count and tuple(dataset.metainfo['classes']) == fashion.CLASSES
    for number in (0, 7, count - 1):
        item = dataset[number]
        assert item['inputs'].shape == (3, 28, 28) and item['data_samples'].gt_label.item() == labels[number]
        if split != 'train':
            assert (item['inputs'].numpy() == images[number]).all()


def test_the_splits_of_the_configs_are_those_of_the_scenes():
    config = Config.fromfile(ROOT / 'configs/fashion/_base_/datasets/fashion_cls.py')
    rows = np.arange(60000)
    indices = {split: config[f'{split}_dataloader'].dataset.indices for split in SPLITS}
    assert np.array_equal(rows[:indices['train']], fashion.split_rows(60000)['train'])
    assert np.array_equal(rows[indices['val']:], fashion.split_rows(60000)['val'])


@pytest.mark.parametrize('split', SPLITS)
def test_mmdet_and_mmseg_read_all(data, split):
    dataset, _ = build('fashion_coco', 'mmdet', split)
    coco = instances(data, split)
    assert len(dataset) == len(coco['images']) and tuple(dataset.metainfo['classes']) == fashion.CLASSES
    for image, item in zip(coco['images'], (dataset[i] for i in range(len(dataset)))):
        own = [a for a in coco['annotations'] if a['image_id'] == image['id']]
        assert item['inputs'].shape == (3, 96, 96)
        assert Counter(item['data_samples'].gt_instances.labels.tolist()) == Counter(
            a['category_id'] - 1 for a in own)
    dataset, _ = build('fashion_ade', 'mmseg', split)
    assert len(dataset) == getattr(SETTINGS, f'scenes_{split}') and dataset.metainfo['palette'] == list(PALETTE)
    assert dataset.metainfo['classes'] == ('background', *fashion.CLASSES)
    for item in (dataset[i] for i in range(len(dataset))):
        with Image.open(item['data_samples'].seg_map_path) as picture:
            labels = np.array(picture)
        assert np.array_equal(item['data_samples'].gt_sem_seg.data[0], labels) or (
            split == 'train' and np.array_equal(item['data_samples'].gt_sem_seg.data[0], labels[:, ::-1]))


def test_rerun_does_nothing_and_other_settings_are_refused(data, made):
    home, known = made
    before = files(data)
    assert not fashion.convert(data, SETTINGS, home / 'files', known=known)
    with pytest.raises(UserError, match='scenes_val.*--force'):
        fashion.convert(data, fashion.Settings(scenes_train=12, scenes_val=6), home / 'files', known=known)
    assert files(data) == before


def test_data_that_were_damaged_since_are_not_called_there(data, made, tmp_path):
    home, known = made
    copy = shutil.copytree(data, tmp_path / 'fashion')
    path, whole = copy / fashion.LABELS, (copy / fashion.LABELS).read_bytes()
    path.write_bytes(whole[:8] + whole[:7:-1])  # the labels in reverse: of the same size
    with pytest.raises(UserError, match=r'train-labels\S+ expects the SHA-256 .* damaged. Give --force'):
        fashion.convert(copy, SETTINGS, home / 'files', known=known)
    path.unlink()
    with pytest.raises(UserError, match=r'train-labels\S+ does not exist: .*--force'):
        fashion.convert(copy, SETTINGS, home / 'files', known=known)
    path.write_bytes(whole)
    (copy / 'scenes/images/val/scene_0002.png').unlink()
    with pytest.raises(UserError, match=r'images/val expects 5 files, got 4: .*--force'):
        fashion.convert(copy, SETTINGS, home / 'files', known=known)
    assert fashion.convert(copy, SETTINGS, home / 'files', force=True, known=known)
    assert files(copy) == files(data)


def test_damaged_files_leave_nothing_behind(made, tmp_path):
    home, known = made
    with pytest.raises(UserError, match='expects the SHA-256'):
        fashion.convert(tmp_path / 'out', SETTINGS, home / 'files', known=dict(known) | {fashion.LABELS: '0' * 64})
    assert not any(tmp_path.iterdir())


def test_command_line_errors_are_one_line(made, tmp_path, tmp_path_factory):
    (tmp_path / 'file').write_text('mine')
    (tmp_path / 'empty').mkdir()
    for args, words in [(('--out', tmp_path / 'file'), 'new or empty folder'),
                        (('--out', tmp_path / 'new', '--scenes-val', 0), '--scenes-val expects 1'),
                        (('--out', tmp_path / 'new', '--data', tmp_path / 'empty'), 'apt-get install'),
                        (('--out', tmp_path / 'new', '--data', made[0] / 'files'), 'expects the SHA-256')]:
        result = fork(tmp_path_factory.mktemp('outputs'), *args)
        assert result.returncode == 2 and result.stdout == ''
        assert words in result.stderr and result.stderr.count('\n') == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ['empty', 'file']


def test_help_tells_where_the_files_come_from(tmp_path):
    result = fork(tmp_path, '--help')
    assert result.returncode == 0 and 'dataset-fashion-mnist' in result.stdout and '--scene-size' in result.stdout
