"""The size that receptive fields are looked at, by what the models take."""
import pytest
import timm
from mmengine.config import Config
from torch import nn

from mmkd.analysis.command.models import AnalysedModel
from mmkd.analysis.command.sizes import own_size, wide_size
from mmkd.utils.configs.finding import load_config


def analysed(config: Config | None, model: nn.Module | None = None, label: str = 'a') -> AnalysedModel:
    return AnalysedModel(label, label, model or nn.Identity(), 'random', {}, config=config)


def pipeline(*steps: dict, split: str = 'val') -> Config:
    inner = dict(type='X', pipeline=[dict(type='LoadImageFromFile'), *steps, dict(type='PackInputs')])
    return Config({f'{split}_dataloader': dict(dataset=dict(type='RepeatDataset', times=2, dataset=inner))})


EDGE = dict(type='mmkd.ResizeEdge', scale=73, crop_size=64)


@pytest.mark.parametrize(('config', 'size'), [
    (pipeline(EDGE, dict(type='CenterCrop', crop_size=64)), 64),
    (pipeline(dict(type='Resize', scale=(1333, 800), keep_ratio=True)), 800),
    (pipeline(dict(type='RandomCrop', crop_size=32), split='train'), 32),
    (Config(dict(model=dict(input_size=48))), 48), (Config(dict(model=dict(type='X'))), None), (None, None)])
def test_what_a_config_says(config, size):
    assert own_size(analysed(config)) == size


def test_what_a_model_of_timm_says():
    assert own_size(analysed(None, timm.create_model('resnet10t'))) == 176
    assert own_size(analysed(None, timm.create_model('vit_tiny_patch16_224', depth=1))) == 224


def test_the_papers_size_only_for_models_of_large_images():
    large = analysed(load_config('slak/slak-tiny_32xb128_in1k.py'), label='slak')
    small = analysed(pipeline(EDGE), label='small')
    assert wide_size([large], 100) == (1024, "the papers' size, as slak: 224 and no less")
    assert wide_size([large, small], 224) == (256, '4 × small: 64')
    assert wide_size([analysed(None)], 32) == (128, '4 × the images: 32')
    assert wide_size([analysed(None)], 224)[0] == 1024
