"""Timing input pipelines beside timm's."""
import os
import re

import pytest
from mmengine.config import ConfigDict

from mmkd.benchmarks.input_pipeline import (
    draw_photos,
    own_loader,
    pack_photos,
    replayed_loaders,
    timm_loader,
    timm_settings,
)
from mmkd.utils import UserError
from mmkd.utils.configs.finding import load_config

from ..conftest import call

TOOL = 'analysis_tools/benchmark_input_pipeline.py'
RECIPE = 'convnest/convnest-tiny_32xb128_in1k.py'


@pytest.fixture
def cores():
    """Gives the process its cores back."""
    if not hasattr(os, 'sched_setaffinity'):
        yield
        return
    before = os.sched_getaffinity(0)
    yield
    os.sched_setaffinity(0, before)


def test_prints_both_rates_and_their_ratio(tmp_path, cores, capsys):
    assert call(TOOL, RECIPE, '--images', '4', '--batch-size', '2', '--rounds', '1', cwd=tmp_path) == 0
    rows = re.findall(r'^ +([\d.]+) +([\d.]+) +([\d.]+)  (.*)$', capsys.readouterr().out, re.MULTILINE)
    assert [row[-1] for row in rows] == [f'{RECIPE}, train', f'{RECIPE}, val']
    for own, timm, ratio, _ in rows:
        assert float(own) > 0 and float(ratio) == pytest.approx(float(own) / float(timm), abs=0.02)


def test_prints_what_replaying_and_mixing_take(tmp_path, cores, capsys):
    """Pairs decode each image once; an image that decodes its partner for itself takes about twice as long."""
    assert call(TOOL, RECIPE, '--replay', '--images', '16', '--batch-size', '8', '--rounds', '3', cwd=tmp_path) == 0
    (row, ) = re.findall(r'^ +([\d.]+) +([\d.]+) +([\d.]+) +([\d.]+)  (.*)$', capsys.readouterr().out, re.MULTILINE)
    rate, replayed, pairs, decoded = map(float, row[:-1])
    assert row[-1] == f'{RECIPE}, train' and rate > 0 and 0.7 < replayed < 1.4
    assert decoded > 1.4 * pairs


def test_replayed_loaders_differ_in_what_they_decode(tmp_path, monkeypatch):
    draw_photos(tmp_path, 8)
    loaders = replayed_loaders(load_config(RECIPE).train_dataloader, tmp_path, 8)
    read = {}
    for name, loader in loaders.items():
        data, read[name] = getattr(loader.dataset, 'dataset', loader.dataset), []
        monkeypatch.setattr(data, 'prepare_data', lambda index, load=data.prepare_data, found=read[name]: (
            found.append(index) or load(index)))
        samples = next(iter(loader))['data_samples']
        assert all(('gt_score' in sample) == (name in ('pairs', 'decoded')) for sample in samples)
        assert all(('view' in sample) == (name != 'plain') for sample in samples)
    assert {name: len(found) for name, found in read.items()} == dict(plain=8, replayed=8, pairs=8, decoded=16)


@pytest.mark.parametrize('part', ['train', 'val'])
def test_both_loaders_give_images_of_one_size(tmp_path, part):
    kilobytes = draw_photos(tmp_path, 4)
    assert 80 < kilobytes < 140
    loader = load_config(RECIPE)[f'{part}_dataloader']
    own, timm = (next(iter(make(loader, tmp_path, 4))) for make in (own_loader, timm_loader))
    assert tuple(timm[0].shape) == (4, 3, 224, 224) == (len(own['inputs']), *own['inputs'][0].shape)


def test_changed_recipes_and_archives_are_rows_of_their_own(tmp_path, cores, capsys):
    assert call(TOOL, RECIPE, '--images', '4', '--batch-size', '2', '--rounds', '1', '--archives', '--cfg-options',
                'train_dataloader.dataset.pipeline.1.backend=torch', cwd=tmp_path) == 0
    rows = re.findall(r'^ +[\d.]+ +[\d.]+ +[\d.]+  (.*)$', capsys.readouterr().out, re.MULTILINE)
    assert rows == [f'{RECIPE}, {part}{place}' for part in ('train', 'val') for place in ('', ', zip', ', tar')]


def test_archives_hold_the_same_pictures(tmp_path):
    photos = tmp_path / 'photos'
    draw_photos(photos, 4)
    loader = load_config(RECIPE).val_dataloader
    plain = next(iter(own_loader(loader, photos, 4)))
    for own, timm in pack_photos(photos).values():
        packed = next(iter(own_loader(loader, own, 4)))
        assert all((a == b).all() for a, b in zip(plain['inputs'], packed['inputs'], strict=True))
        assert len(next(iter(timm_loader(loader, timm, 4)))[0]) == 4


def test_loading_and_cropping_in_one_step_is_compared_too(tmp_path):
    draw_photos(tmp_path, 4)
    loader = load_config(RECIPE).train_dataloader
    plain = timm_settings(loader.dataset.pipeline)
    loader.dataset.pipeline[:2] = [ConfigDict(type='mmkd.LoadRandomResizedCrop', scale=224, interpolation='bicubic')]
    assert timm_settings(loader.dataset.pipeline) == plain
    assert len(next(iter(own_loader(loader, tmp_path, 4)))['inputs']) == 4


def test_settings_are_the_recipes():
    config = load_config(RECIPE)
    train = timm_settings(config.train_dataloader.dataset.pipeline)
    assert (train['auto_augment'], train['re_prob'], train['hflip']) == ('rand-m9-mstd0.5-inc1', 0.25, 0.5)
    val = timm_settings(config.val_dataloader.dataset.pipeline)
    assert (val['input_size'], val['crop_pct'], val['interpolation']) == (224, 0.875, 'bicubic')
    with pytest.raises(UserError, match='transforms that it knows, got Solarize'):
        timm_settings([ConfigDict(type='Solarize')])
