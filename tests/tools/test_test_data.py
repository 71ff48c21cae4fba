"""tools/test.py --data: any classifier's config on the other test sets of ImageNet's classes."""
import json

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import METRICS, MODELS, init_default_scope

from mmkd.evaluation.test_data import TEST_DATA, set_test_data
from mmkd.utils import UserError
from mmkd.utils.configs.finding import load_config

from ..archives import jpeg, write_folder, zip_bytes
from .conftest import call

CONFIG = """
_base_ = ['mmpretrain::_base_/datasets/imagenet_bs64_swin_224.py', 'mmpretrain::_base_/default_runtime.py']
model = dict(
    type='ImageClassifier', data_preprocessor=_base_.data_preprocessor,
    backbone=dict(type='ConvNeXt', arch=dict(depths=(1, 1, 1, 1), channels=(4, 4, 8, 8))),
    head=dict(type='LinearClsHead', in_channels=8, num_classes=1000))
test_dataloader = dict(batch_size=2, num_workers=0, persistent_workers=False)
test_cfg = dict()
train_dataloader = val_dataloader = val_evaluator = None
"""
STINGRAY = 'n01498041'  # class 6, which ImageNet-A has


@pytest.fixture(scope='module')
def workplace(tmp_path_factory):
    """A classifier that takes every image for class 0, but for class 6 if 0 is left out; and images."""
    path = tmp_path_factory.mktemp('data')
    (path / 'tiny.py').write_text(CONFIG)
    config = Config.fromfile(path / 'tiny.py')
    init_default_scope('mmpretrain')
    model = MODELS.build(config.model)
    weights = {name: torch.zeros_like(value) for name, value in model.state_dict().items()}
    weights['head.fc.bias'][[0, 6]] = torch.tensor([9.0, 8.0])
    torch.save(dict(state_dict=weights), path / 'tiny.pth')
    images = [jpeg(i, (224, 224)) for i in range(3)]
    val = {f'val/ILSVRC2012_val_{i:08d}.JPEG': content for i, content in enumerate(images, 1)}
    write_folder(path / 'data', {
        **{f'imagenet/{name}': content for name, content in val.items()},
        'imagenet/meta/val.txt': ''.join(f'{name.partition("/")[2]} 0\n' for name in val).encode(),
        'imagenet/real.json': json.dumps([[0, 1], [5], []]).encode(),
        'imagenet-v2.zip': zip_bytes({f'{c}/x.jpeg': content for c, content in zip((0, 2, 6), images)}),
        f'imagenet-a/{STINGRAY}/a.jpg': images[0], f'imagenet-c/fog/3/{STINGRAY}/a.JPEG': images[0],
        'imagenet-c/fog/3/n01440764/b.JPEG': images[1]})
    return path


@pytest.mark.parametrize(('name', 'options', 'expected'), [
    ('imagenet-real', ['test_evaluator.1.labels=data/imagenet/real.json'], {
        'accuracy/top1': 100, 'accuracy/top5': 100, 'accuracy/real_top1': 50}),
    ('imagenet-v2', ['test_dataloader.dataset.data_root=archive://data/imagenet-v2.zip'], {
        'accuracy/top1': 100 / 3}),
    ('imagenet-a', [], {'accuracy/top1': 100, 'accuracy/top5': 100}),
    ('imagenet-c', ['test_dataloader.dataset.corruptions=[fog]', 'test_dataloader.dataset.severities=[3]'], {
        'corruption/error_fog': 50})])
def test_through_the_tool(workplace, name, options, expected):
    more = ['--cfg-options', *options] if options else []
    assert call('test.py', 'tiny.py', 'tiny.pth', '--data', name, '--out', 'out.json', *more, cwd=workplace) == 0
    metrics = json.loads((workplace / 'out.json').read_text())
    assert {key: metrics[key] for key in expected} == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize('name', TEST_DATA)
def test_every_name(name):
    config = load_config('slak/slak-tiny_32xb128_in1k.py')
    pipeline = config.test_dataloader.dataset.pipeline
    set_test_data(config, name)
    init_default_scope('mmpretrain')
    evaluators = config.test_evaluator if isinstance(config.test_evaluator, list) else [config.test_evaluator]
    assert all(METRICS.build(dict(evaluator)) for evaluator in evaluators)
    dataset = config.test_dataloader.dataset
    assert dataset.data_root == ('data/imagenet' if name == 'imagenet-real' else f'data/{name}')
    assert (dataset.pipeline == pipeline) == (name != 'imagenet-c')
    assert config.test_dataloader.sampler.shuffle is False


def test_bad_input(workplace, capsys):
    command = ('test.py', 'tiny.py', 'tiny.pth', '--data')
    assert call(*command, 'imagenet-x', cwd=workplace) == 2
    assert "expects test data or a config file, got 'imagenet-x'. Did you mean" in capsys.readouterr().err
    assert call(*command, 'imagenet-r', cwd=workplace) == 2
    assert 'expects data/imagenet-r, which does not exist' in capsys.readouterr().err
    assert call(*command, 'tiny.py', '--cfg-options', 'test_dataloader.dataset.data_root=archive://data/no.zip',
                cwd=workplace) == 2
    assert 'no.zip, which does not exist' in capsys.readouterr().err
    with pytest.raises(UserError, match='whose test_dataloader.dataset has a pipeline'):
        set_test_data(Config(dict(test_dataloader=None)), 'imagenet-a')
