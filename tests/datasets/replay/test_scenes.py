"""Detectors' and segmentors' pipelines are replayed as classifiers' are."""
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import DefaultSampler, pseudo_collate
from mmengine.registry import DATASETS, DefaultScope, init_default_scope
from torch.utils.data import DataLoader

from mmkd.datasets.replay import replay_loader

SIDE = 32


def write_scenes(folder: Path, images: int = 6) -> Path:
    """Pictures with a box and a mask each, as COCO and as ADE20K have them."""
    drawn, annotations, infos = np.random.RandomState(0), [], []
    for kind in ('images', 'masks'):
        (folder / kind).mkdir()
    for number in range(images):
        left, top = drawn.randint(0, 16, 2).tolist()
        picture, mask = drawn.randint(0, 256, (SIDE, SIDE, 3)).astype(np.uint8), np.zeros((SIDE, SIDE), np.uint8)
        mask[top:top + 12, left:left + 12] = 1
        cv2.imwrite(str(folder / 'images' / f'{number}.png'), picture)
        cv2.imwrite(str(folder / 'masks' / f'{number}.png'), mask)
        infos.append(dict(id=number, file_name=f'{number}.png', width=SIDE, height=SIDE))
        annotations.append(dict(id=number + 1, image_id=number, category_id=1, bbox=[left, top, 12, 12], area=144,
                                iscrowd=0))
    (folder / 'scenes.json').write_text(json.dumps(dict(images=infos, annotations=annotations,
                                                        categories=[dict(id=1, name='square')])))
    return folder


def detection(folder: Path) -> dict:
    load = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True)]
    inner = dict(type='CocoDataset', ann_file=str(folder / 'scenes.json'), data_prefix=dict(img=f'{folder}/images/'),
                 metainfo=dict(classes=('square', )), pipeline=load)
    return dict(type='MultiImageMixDataset', dataset=inner, pipeline=[
        dict(type='Mosaic', img_scale=(SIDE, SIDE)), dict(type='RandomFlip', prob=0.5),
        dict(type='PhotoMetricDistortion'), dict(type='PackDetInputs', meta_keys=('img_path', 'flip'))])


def segmentation(folder: Path) -> dict:
    return dict(type='BaseSegDataset', data_prefix=dict(img_path=f'{folder}/images', seg_map_path=f'{folder}/masks'),
                img_suffix='.png', metainfo=dict(classes=('ground', 'square')), pipeline=[
                    dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'),
                    dict(type='RandomResize', scale=(SIDE, SIDE), ratio_range=(1., 2.)),
                    dict(type='RandomCrop', crop_size=(16, 16)), dict(type='RandomFlip', prob=0.5),
                    dict(type='PhotoMetricDistortion'), dict(type='PackSegInputs')])


def views(data, workers: int) -> dict:
    """View to checksum and annotations."""
    made = DataLoader(data, 3, sampler=DefaultSampler(data, seed=0), num_workers=workers, collate_fn=pseudo_collate)
    replay_loader(made, 5, checksums='all')
    found = {}
    for epoch in (0, 1):
        made.sampler.set_epoch(epoch)
        for sample in (each for batch in made for each in batch['data_samples']):
            marks = sample.gt_instances.bboxes if 'gt_instances' in sample else sample.gt_sem_seg.data
            found[sample.view] = sample.view_checksum, torch.as_tensor(getattr(marks, 'tensor', marks)).tolist()
    return found


@pytest.mark.parametrize(('package', 'config'), [('mmdet', detection), ('mmseg', segmentation)])
def test_views_and_annotations_are_those_of_the_numbers(tmp_path, package, config):
    pytest.importorskip(package)
    with DefaultScope.overwrite_default_scope(package):
        init_default_scope(package)
        data = DATASETS.build(config(write_scenes(tmp_path)))
        torch.manual_seed(1)
        expected = views(data, 0)
        assert len(expected) == 12 and len({code for code, _ in expected.values()}) == 12
        assert views(data, 2) == expected
