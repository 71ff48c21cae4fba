"""tools/dataset_converters/digits.py, and the dataset configs that read what it makes."""
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from PIL import Image

pytest.importorskip('sklearn')
ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / 'tools/dataset_converters/digits.py'
sys.path.insert(0, str(SCRIPT.parent))  # as Python does for a script
import digits  # noqa: E402

from mmkd.datasets.scenes.making import read_stamp  # noqa: E402
from mmkd.datasets.scenes.writing import PALETTE  # noqa: E402
from tests.forked import run_forked  # noqa: E402

SETTINGS = digits.Settings(scenes_train=8, scenes_val=4)  # those of the fixture home
SPLITS = ('train', 'val')


@pytest.fixture
def data(home, monkeypatch):
    monkeypatch.chdir(home)
    return home / 'data/digits'


def instances(data, split):
    return json.loads((data / f'scenes/annotations/instances_{split}.json').read_text())


def decode(rle):
    values = np.arange(len(rle['counts'])) % 2
    return np.repeat(values, rle['counts']).reshape(rle['size'], order='F').astype(bool)


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes()
            for path in folder.rglob('*') if path.is_file()}


def indices(paths):
    return {int(path.stem.removeprefix('digit_')) for path in paths}


def fork(folder, *args, name='run'):
    """Runs the script in a folder, without waiting for imports."""
    (folder / name).mkdir()
    return run_forked(SCRIPT, *args, cwd=folder, env=dict(os.environ, PYTHONPATH=str(ROOT)), folder=folder / name)


def run(*args):
    return subprocess.run([sys.executable, str(SCRIPT), *map(str, args)], capture_output=True, text=True,
                          env=dict(os.environ, PYTHONPATH=str(ROOT)))


def test_same_seed_same_bytes(data, tmp_path):
    digits.convert(tmp_path / 'again', SETTINGS)
    assert files(tmp_path / 'again') == files(data)


def test_other_seed_other_pictures_and_split():
    first, second = (digits.load_digits(digits.Settings(seed=seed)) for seed in (0, 1))
    assert not np.array_equal(first.splits['val'], second.splits['val'])
    streams = [digits.Settings(seed=seed).rng('image') for seed in (0, 1)]
    assert not np.allclose(*(digits.draw_image(rng, first.images[0]) for rng in streams))


def test_no_digit_is_shared_between_train_and_val(data):
    single = {split: indices((data / split).rglob('*.png')) for split in SPLITS}
    assert {split: len(found) for split, found in single.items()} == dict(train=1297, val=500)
    assert single['train'] | single['val'] == set(range(1797))
    for split in SPLITS:
        assert {a['digit_index'] for a in instances(data, split)['annotations']} <= single[split]


def test_lists(data):
    for split in SPLITS:
        lines = (data / f'meta/{split}.txt').read_text().splitlines()
        assert sorted(line.split()[0] for line in lines) == sorted(
            str(path.relative_to(data / split)) for path in (data / split).rglob('*.png'))
    few = [(data / f'meta/train_5_per_class_seed{seed}.txt').read_text().splitlines() for seed in range(5)]
    assert len({tuple(lines) for lines in few}) == 5
    for lines in few:
        assert Counter(line.split()[1] for line in lines) == {str(label): 5 for label in range(10)}
        assert all(line.split('/')[0] == line.split()[1] for line in lines)
        assert all((data / 'train' / line.split()[0]).is_file() for line in lines)


@pytest.mark.parametrize('split', SPLITS)
def test_masks_agree_with_boxes_and_label_images(data, split):
    coco = instances(data, split)
    for image in coco['images']:
        own = [a for a in coco['annotations'] if a['image_id'] == image['id']]
        assert 2 <= len(own) <= 6
        union = np.zeros((image['height'], image['width']), int)
        for annotation in own:
            mask = decode(annotation['segmentation'])
            y, x = np.nonzero(mask)
            assert annotation['bbox'] == [x.min(), y.min(), np.ptp(x) + 1, np.ptp(y) + 1]
            assert annotation['area'] == mask.sum() > 150
            assert not union[mask].any()
            union[mask] = annotation['category_id']
        with Image.open(data / 'scenes/annotations_seg' / split / image['file_name']) as labels:
            assert labels.mode == 'P'
            assert np.array_equal(np.array(labels), union)


def build(name, scope, split):
    """Builds a dataset of a config through its package's registry; returns the config too."""
    pytest.importorskip(f'{scope}.datasets')
    init_default_scope(scope)
    config = Config.fromfile(ROOT / f'configs/quickstart/_base_/datasets/{name}.py')
    registry = import_module(f'{scope}.registry').DATASETS
    return registry.build(config[f'{split}_dataloader'].dataset), config


@pytest.mark.parametrize('config, split, length', [
    ('digits_cls', 'train', 1297), ('digits_cls', 'val', 500), ('digits_few_cls', 'train', 1000)])
def test_mmpretrain_reads_all(data, config, split, length):
    dataset, _ = build(config, 'mmpretrain', split)
    assert len(dataset) == length and dataset.metainfo['classes'] == digits.CLASSES
    labels = Counter()
    for i in range(length):
        item = dataset[i]
        assert item['inputs'].shape == (3, 32, 32)
        path, label = Path(item['data_samples'].img_path), item['data_samples'].gt_label.item()
        assert path.parent.name == digits.CLASSES[label] and path.parent.parent.name == split
        labels[label] += 1
    assert len(labels) == 10
    assert split == 'train' or set(labels.values()) == {50}


@pytest.mark.parametrize('split', SPLITS)
def test_mmdet_reads_all(data, split):
    dataset, _ = build('digits_coco', 'mmdet', split)
    coco = instances(data, split)
    assert len(dataset) == len(coco['images'])
    for image, item in zip(coco['images'], (dataset[i] for i in range(len(dataset)))):
        own = [a for a in coco['annotations'] if a['image_id'] == image['id']]
        truth = item['data_samples'].gt_instances
        assert item['inputs'].shape == (3, 96, 96)
        assert truth.labels.tolist() == [a['category_id'] - 1 for a in own]
        assert np.array_equal(truth.masks.masks, [decode(a['segmentation']) for a in own])
        assert truth.bboxes.tensor.tolist() == [
            [x, y, x + width, y + height] for x, y, width, height in (a['bbox'] for a in own)]


@pytest.mark.parametrize('split', SPLITS)
def test_mmseg_reads_all(data, split):
    dataset, _ = build('digits_ade', 'mmseg', split)
    assert len(dataset) == getattr(SETTINGS, f'scenes_{split}')
    assert dataset.metainfo['palette'] == list(PALETTE)
    for item in (dataset[i] for i in range(len(dataset))):
        sample = item['data_samples']
        with Image.open(sample.seg_map_path) as labels:
            assert np.array_equal(sample.gt_sem_seg.data[0], labels)
        assert Path(sample.seg_map_path).name == Path(sample.img_path).name
        assert item['inputs'].shape == (3, 96, 96)


def test_truth_as_prediction_is_perfect_in_coco_metric(data):
    dataset, config = build('digits_coco', 'mmdet', 'val')
    pytest.importorskip('mmdet.evaluation')
    metric = import_module('mmdet.registry').METRICS.build(config.val_evaluator)
    metric.dataset_meta = dataset.metainfo
    for item in (dataset[i] for i in range(len(dataset))):
        sample = item['data_samples']
        truth = sample.gt_instances
        predicted = dict(bboxes=truth.bboxes.tensor, labels=truth.labels,
                         masks=torch.from_numpy(truth.masks.masks.astype(bool)),
                         scores=torch.ones(len(truth.labels)))
        metric.process({}, [dict(sample.to_dict(), pred_instances=predicted)])
    figures = metric.evaluate(len(dataset))
    assert figures['coco/bbox_mAP'] == figures['coco/segm_mAP'] == 1


def test_rerun_does_nothing_and_other_settings_are_refused(data):
    before = (data / 'digits.json').stat().st_mtime_ns
    assert not digits.convert(data, SETTINGS)
    other = digits.Settings(scenes_train=8, scenes_val=5)
    with pytest.raises(digits.UserError, match='scenes_val.*--force'):
        digits.convert(data, other)
    assert (data / 'digits.json').stat().st_mtime_ns == before


@pytest.mark.parametrize('gone', ['meta/val.txt', 'train/3', 'scenes/annotations/instances_val.json',
                                  'scenes/images/train/scene_0003.png', 'scenes/annotations_seg/val'])
def test_data_that_lack_something_are_not_called_there(data, tmp_path, gone):
    copy = shutil.copytree(data, tmp_path / 'digits')
    assert not digits.convert(copy, SETTINGS)
    shutil.rmtree(copy / gone) if (copy / gone).is_dir() else (copy / gone).unlink()
    with pytest.raises(digits.UserError, match=rf'{re.escape(str((copy / gone).parent))}.* damaged. Give --force'):
        digits.convert(copy, SETTINGS)


@pytest.fixture
def quick(monkeypatch):
    """Writes one file instead of the pictures."""
    monkeypatch.setattr(digits, 'write_all', lambda folder, settings: folder.mkdir())
    monkeypatch.setattr(digits, '_damage', lambda folder, settings: '')


def test_force_replaces_own_data_only(quick, tmp_path):
    assert digits.convert(tmp_path / 'a', SETTINGS)
    assert digits.convert(tmp_path / 'a', digits.Settings(seed=1), force=True)
    assert json.loads((tmp_path / 'a/digits.json').read_text())['seed'] == 1
    (tmp_path / 'b').mkdir()
    (tmp_path / 'b/thesis.txt').write_text('mine')
    with pytest.raises(digits.UserError, match='this script made'):
        digits.convert(tmp_path / 'b', SETTINGS, force=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ['a', 'b']
    assert (tmp_path / 'b/thesis.txt').read_text() == 'mine'


def test_failed_replacement_keeps_the_old_data(quick, tmp_path, monkeypatch):
    digits.convert(tmp_path / 'a', SETTINGS)
    rename = Path.rename

    def fail(path, target):
        if path.name == 'new':
            raise OSError(28, 'No space left on device')
        return rename(path, target)

    monkeypatch.setattr(Path, 'rename', fail)
    with pytest.raises(OSError, match='No space'):
        digits.convert(tmp_path / 'a', digits.Settings(seed=1), force=True)
    assert not digits.convert(tmp_path / 'a', SETTINGS)
    assert [path.name for path in tmp_path.iterdir()] == ['a']


@pytest.mark.parametrize('force', [False, True])
def test_two_at_once_both_succeed(quick, tmp_path, monkeypatch, force):
    """A second run that starts while the first writes, and ends after it."""
    out, write, others = tmp_path / 'a', digits.write_all, []
    if force:
        digits.convert(out, digits.Settings(seed=1))

    def write_slowly(folder, settings):
        monkeypatch.setattr(digits, 'write_all', write)
        others.append(digits.convert(out, SETTINGS, force))
        write(folder, settings)

    monkeypatch.setattr(digits, 'write_all', write_slowly)
    assert not digits.convert(out, SETTINGS, force) and others == [True]
    assert read_stamp(out, digits.STAMP)['seed'] == SETTINGS.seed
    assert [path.name for path in tmp_path.iterdir()] == ['a']


def test_two_processes_at_once_both_succeed(tmp_path):
    pytest.importorskip('sklearn')
    arguments = ['--out', 'here', '--scenes-train', '1', '--scenes-val', '1']
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda name: fork(tmp_path, *arguments, name=name), ('one', 'other')))
    assert [result.returncode for result in results] == [0, 0], results
    assert sorted(result.stdout for result in results) == ['here: already there.\n', 'here: written.\n']


def test_another_kind_made_meanwhile_is_kept(quick, tmp_path, monkeypatch):
    write = digits.write_all

    def write_slowly(folder, settings):
        monkeypatch.setattr(digits, 'write_all', write)
        digits.convert(tmp_path / 'a', digits.Settings(seed=7))
        write(folder, settings)

    monkeypatch.setattr(digits, 'write_all', write_slowly)
    with pytest.raises(digits.UserError, match='meanwhile'):
        digits.convert(tmp_path / 'a', SETTINGS)
    assert read_stamp(tmp_path / 'a', digits.STAMP)['seed'] == 7


@pytest.mark.parametrize('error', [KeyboardInterrupt, OSError])
def test_interrupted_run_leaves_nothing(tmp_path, monkeypatch, error):
    saved, save = [], digits.save_image

    def stop(path, image):
        saved.append(save(path, image))
        if len(saved) == 20:
            raise error

    monkeypatch.setattr(digits, 'save_image', stop)
    with pytest.raises(error):
        digits.convert(tmp_path / 'out', SETTINGS)
    assert len(saved) == 20 and not list(tmp_path.iterdir())


def test_command_line_errors_are_one_line(tmp_path, tmp_path_factory):
    (tmp_path / 'file').write_text('mine')
    for args, words in [(('--out', tmp_path / 'file'), 'new or empty folder'),
                        (('--out', tmp_path / 'file/below'), 'cannot be used: '),
                        (('--out', tmp_path / 'new', '--scenes-val', 0), '--scenes-val expects 1')]:
        result = fork(tmp_path_factory.mktemp('outputs'), *args)
        assert result.returncode == 2 and result.stdout == ''
        assert words in result.stderr and result.stderr.count('\n') == 1
    assert [path.name for path in tmp_path.iterdir()] == ['file']


def test_command_line_reports_data_that_are_there(data):
    result = run('--scenes-train', 8, '--scenes-val', 4)
    assert (result.returncode, result.stdout) == (0, 'data/digits: already there.\n')
