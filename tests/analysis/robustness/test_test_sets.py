"""Test sets: which data a model is tested on, and what is left out. The tool's test has real images."""
import pytest
import torch

from mmkd.analysis.robustness.test_sets import METRICS, Robustness, measure_robustness, set_config
from mmkd.evaluation.test_data import TEST_DATA
from mmkd.utils import UserError
from mmkd.utils.configs.finding import load_config


def test_the_sets_are_those_of_the_other_tool_and_clean():
    assert set(METRICS) == {'clean', *TEST_DATA}


@pytest.mark.parametrize('name', METRICS)
def test_a_models_own_pipeline_or_imagenets(name):
    config = load_config('quickstart/slak-mini_digits.py')
    own, without = set_config(config, name), set_config(None, name)
    assert config.test_dataloader.dataset.type != 'mmkd.ImageNetVariant'  # the config is left as it is
    if name == 'clean':
        assert own.test_dataloader.dataset == config.test_dataloader.dataset
    elif name != 'imagenet-c':
        assert own.test_dataloader.dataset.pipeline == config.test_dataloader.dataset.pipeline
        assert 224 in [step.get('crop_size') for step in without.test_dataloader.dataset.pipeline]
    assert set_config(config, name, '/x').test_dataloader.dataset.data_root == '/x'


def test_what_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = measure_robustness(lambda images: torch.ones(len(images), 1000), None)
    assert found.metrics == {} and set(found.missing) == set(METRICS)
    assert 'data/imagenet-a, which does not exist' in found.missing['imagenet-a']
    assert found.shown('clean') is None
    assert Robustness({'imagenet-c': {'corruption/error_fog': 9.}}).shown('imagenet-c') is None
    with pytest.raises(UserError, match="got 'imagenet-x'. Did you mean"):
        measure_robustness(lambda images: images, None, ['imagenet-x'])
