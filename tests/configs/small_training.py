"""Cutting a recipe's training down to two iterations on the CPU; all else stays as the config has it."""
import copy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.registry import MODELS

from mmkd.recipes.weightless import without_weights

BATCH = 2
ITERATIONS = 2
SCENE_SCALE = 8  # images of detectors and segmentors are so many times smaller,
SMALL = 256  # if they are larger than this
REGIONS = 8  # of an image, that a detector's heads learn from
MANY_BLOCKS = 10  # architectures of more than these get
FEW_BLOCKS = {'depths': 2, 'num_layers': 4}  # in a stage; in an architecture without stages
FEW_BLOCKS_TIMM = {'beitv2': dict(depth=4), 'resnetv2': dict(model_name='resnetv2_50x1_bit.goog_in21k_ft_in1k'),
                   'vit': dict(depth=1), 'convnext': dict(model_name='convnext_atto')}


def small(config: Config, work_dir: Path, name: str) -> Config:
    """A config's training: two iterations an epoch, random weights, few blocks where there are many, no validation."""
    config = copy.deepcopy(config)
    model = copy.deepcopy(without_weights(config)[0])
    config.model = with_few_samples(shallow(model))
    config.pop('data_preprocessor', None)
    loader = config.train_dataloader
    loader.update(batch_size=BATCH, num_workers=0, persistent_workers=False, pin_memory=False)
    few(loader.dataset)
    config.optim_wrapper.pop('loss_scale', None)
    if str(config.optim_wrapper.get('type')).endswith('AmpOptimWrapper'):
        config.optim_wrapper.type = 'OptimWrapper'
    if config.default_scope != 'mmpretrain':
        smaller_images(loader.dataset)
        for part in mappings(config.model):
            if part.get('type') == 'SegDataPreProcessor':
                smaller_images(part)
            if part.get('type') == 'RandomSampler':
                part['num'] = REGIONS
    for split in ('val', 'test'):
        config.update({f'{split}_{part}': None for part in ('cfg', 'dataloader', 'evaluator')})
    config.update(work_dir=str(work_dir), experiment_name=name, randomness=dict(seed=0), load_from=None)
    return config


def few(dataset: dict) -> None:
    """Takes as many images as the iterations need."""
    if 'dataset' in dataset:
        dataset.times = 1
        few(dataset.dataset)
    else:
        dataset.indices = BATCH * ITERATIONS


def with_few_samples(model: dict) -> dict:
    """Gives losses that keep something of each image, and estimates, no more than what is left of the training."""
    for term in model.get('terms', {}).values():
        if 'teacher_norm' in term:
            term['teacher_norm'].update(steps=ITERATIONS)  # so that the last one counts
        if 'num_samples' in term['loss']:
            term['loss'].update(num_samples=BATCH * ITERATIONS, negatives=BATCH)
    return model


def shallow(model: dict) -> dict:
    """Gives backbones of many blocks few; widths, input size and taps stay, and blocks that are named by number."""
    for part in mappings(model):
        if part.get('type', '').endswith('TimmClassifier'):
            part.update(FEW_BLOCKS_TIMM.get(part['model_name'].split('_')[0], {}))
        table = arch_table(part) if 'depths' in arch_table(part) or 'out_indices' not in part else {}
        if np.sum(table.get('depths', table.get('num_layers', 0))) > MANY_BLOCKS:
            part['arch'] = {key: np.minimum(value, FEW_BLOCKS[key]).tolist() if key in FEW_BLOCKS else value
                            for key, value in table.items()}
            if 'num_layers' in table and 'frozen_stages' in part:
                part['frozen_stages'] = min(part['frozen_stages'], part['arch']['num_layers'])
    return model


def arch_table(backbone: Mapping) -> dict:
    """What the name of an architecture stands for, if it is one of a table."""
    if not isinstance(backbone.get('arch'), str):
        return {}
    kind = MODELS.get(backbone['type'] if '.' in backbone['type'] else f'mmpretrain.{backbone["type"]}')
    tables = getattr(kind, 'arch_zoo', None) or kind.arch_settings
    found = tables.get(backbone.get('structure', 'hierarchical'), tables).get(backbone['arch'], {})
    return dict(found) if isinstance(found, Mapping) else {}


def smaller_images(value: Any) -> None:
    """Divides all image sizes in a config of scenes."""
    for item in mappings(value):
        for key in ('scale', 'scales', 'crop_size', 'size'):
            if item.get(key) is not None:
                item[key] = _divided(item[key])


def _divided(size: Any) -> Any:
    return type(size)(map(_divided, size)) if isinstance(size, list | tuple) else (
        size // SCENE_SCALE if size > SMALL else size)


def mappings(value: Any) -> Iterator[dict]:
    """All dicts in a config."""
    if isinstance(value, dict):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ():
        yield from mappings(item)

