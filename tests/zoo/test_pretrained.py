"""Published students in the backbones of detectors and segmentors: all tensors, or an error."""
from pathlib import Path

import mmkd  # noqa: F401  (before mmdet: supplies mmcv's ops where they are not compiled)
import pytest
import torch
from mmengine.registry import MODELS, WEIGHT_INITIALIZERS, DefaultScope
from mmengine.runner import CheckpointLoader
from torch import nn

from mmkd.utils import UserError
from mmkd.utils.checkpoints.reading import trust_checkpoints
from mmkd.zoo import load_safely_everywhere
from tests.tools.conftest import call

ARCH = dict(depths=(1, 1, 2, 1), channels=(4, 8, 12, 16))
MAPS = dict(out_indices=(0, 1, 2, 3), gap_before_final_norm=False)
SWIN = dict(type='mmpretrain.SwinTransformer', arch=dict(embed_dims=4, depths=(1, 1, 2, 1), num_heads=(1, 1, 2, 2)))
VIT = dict(type='mmpretrain.VisionTransformer', patch_size=4, arch=dict(
    embed_dims=8, num_layers=4, num_heads=2, feedforward_channels=16))

# Name: a classifier's backbone, its channels, and what the dense recipes put in its place.
BACKBONES = {
    'ResNet, mmdet': (dict(type='mmpretrain.ResNet', depth=18), 512,
                      dict(type='mmdet.ResNet', depth=18, norm_cfg=dict(type='SyncBN'), frozen_stages=1)),
    'ResNet, mmseg': (dict(type='mmpretrain.ResNet', depth=18), 512, dict(type='mmseg.ResNet', depth=18)),
    'ConvNeXt': (dict(type='mmpretrain.ConvNeXt', arch=ARCH), 16, dict(type='mmpretrain.ConvNeXt', arch=ARCH) | MAPS),
    'ConvNeXt V2': (dict(type='mmpretrain.ConvNeXt', arch=ARCH, use_grn=True, layer_scale_init_value=0.), 16,
                    dict(type='mmpretrain.ConvNeXt', arch=ARCH, use_grn=True, layer_scale_init_value=0.) | MAPS),
    'MobileNetV3': (dict(type='mmpretrain.MobileNetV3', arch='small'), 576,
                    dict(type='mmpretrain.MobileNetV3', arch='small', out_indices=(0, 3, 8, 12))),
    'Swin': (SWIN | dict(img_size=56), 32, SWIN | dict(img_size=56, out_indices=(0, 1, 2, 3), pad_small_map=True)),
    'ViT of another image size': (VIT | dict(img_size=16), 8,
                                  VIT | dict(img_size=32, out_indices=(1, 3), out_type='featmap')),
    'SLaK': (dict(type='mmkd.SLaK', arch=ARCH), 20, dict(type='mmkd.SLaK', arch=ARCH) | MAPS),
    'ConvNeSt': (dict(type='mmkd.ConvNeSt', arch=ARCH), 16, dict(type='mmkd.ConvNeSt', arch=ARCH) | MAPS),
    'CSWin': (dict(type='mmkd.CSWinTransformer', arch=ARCH | dict(heads=(2, 2, 2, 2))), 16,
              dict(type='mmkd.CSWinTransformer', arch=ARCH | dict(heads=(2, 2, 2, 2))) | MAPS),
}


@pytest.fixture(autouse=True)
def tools_loader():
    """What the command-line tools do first, undone afterwards."""
    schemes, initialiser = dict(CheckpointLoader._schemes), WEIGHT_INITIALIZERS.get('Pretrained')
    load_safely_everywhere()
    yield
    CheckpointLoader._schemes = schemes
    WEIGHT_INITIALIZERS.register_module(name='Pretrained', module=initialiser, force=True)
    trust_checkpoints(False)


def classifier(backbone: dict, channels: int) -> nn.Module:
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build(dict(
            type='ImageClassifier', backbone=backbone, neck=dict(type='GlobalAveragePooling'),
            head=dict(type='LinearClsHead', in_channels=channels, num_classes=3)))
    for tensor in model.state_dict().values():
        tensor.copy_(torch.randint(1, 100, tensor.shape))
    return model


def published(model: nn.Module, folder: Path) -> str:
    """The file that publish_student.py makes of a distiller's training checkpoint."""
    state = {f'student.{name}': value for name, value in model.state_dict().items()}
    torch.save(dict(state_dict=state | {'connectors.fd.weight': torch.ones(2)}), folder / 'epoch_300.pth')
    assert call('model_converters/publish_student.py', 'epoch_300.pth', cwd=folder) == 0
    (file, ) = folder.glob('student-*.pth')
    return str(file)


def initialised(backbone: dict, path: str, prefix: str = 'backbone.') -> nn.Module:
    scope = 'mmseg' if backbone['type'].startswith('mmseg') else 'mmdet'
    init = dict(type='Pretrained', checkpoint=path, prefix=prefix)
    with DefaultScope.overwrite_default_scope(scope):
        module = MODELS.build(backbone | dict(init_cfg=init))
        module.init_weights()
    return module


@pytest.mark.parametrize('name', BACKBONES)
def test_a_published_student_drops_in(name, tmp_path):
    own, channels, dense = BACKBONES[name]
    model = classifier(own, channels)
    module = initialised(dense, published(model, tmp_path))
    expected, found = model.backbone.state_dict(), module.state_dict()
    norms = {f'norm{i}.{kind}' for i in range(3) for kind in ('weight', 'bias')}
    assert found.keys() - expected.keys() <= norms and not expected.keys() - found.keys()
    same = {key for key in expected if found[key].shape == expected[key].shape}
    assert expected.keys() - same <= {'pos_embed'}
    assert all(torch.equal(found[key], expected[key]) for key in same)


@pytest.mark.parametrize('name', ['ResNet, mmdet', 'ViT of another image size', 'SLaK'])
def test_the_report_counts(name, tmp_path, monkeypatch):
    lines = []
    monkeypatch.setattr('mmkd.zoo.pretrained.print_log', lambda text, **kwargs: lines.append(text))
    own, channels, dense = BACKBONES[name]
    model = classifier(own, channels)
    path = published(model, tmp_path)
    initialised(dense, path)
    count = len(model.backbone.state_dict())
    assert lines == [f'backbone {dense["type"].split(".")[1]} from {path}: {count} of {count} tensors matched.']


@pytest.mark.parametrize(('change', 'message'), [
    (dict(arch=ARCH | dict(depths=(1, 1, 3, 1))),
     r'63 of 72 tensors matched; missing stages\.2\.2\..* and 6 more'),
    (dict(arch=ARCH | dict(depths=(1, 1, 1, 1))),
     r'54 of 63 tensors matched; unexpected stages\.2\.1\..*checkpoint of another backbone'),
    (dict(arch=ARCH | dict(channels=(4, 8, 12, 18))), r'of another shape downsample_layers\.3\.1\.weight'),
    (dict(use_grn=True), r'missing stages\.0\.0\.grn\.beta')])
def test_fewer_than_all(change, message, tmp_path):
    own, channels, dense = BACKBONES['ConvNeXt']
    with pytest.raises(UserError, match=rf'backbone ConvNeXt from .*student-\w+\.pth: .*{message}'):
        initialised(dense | change, published(classifier(own, channels), tmp_path))


def test_another_prefix(tmp_path):
    own, channels, dense = BACKBONES['ConvNeXt']
    with pytest.raises(UserError, match='0 of .* tensors matched; missing .* the prefix of init_cfg'):
        initialised(dense, published(classifier(own, channels), tmp_path), prefix='encoder.')


def test_others_files_by_path_and_by_name(tmp_path, monkeypatch):
    model = classifier(dict(type='mmpretrain.ResNet', depth=18), 512)
    torchvision = {name.removeprefix('backbone.').replace('head.fc', 'fc'): value
                   for name, value in model.state_dict().items()}
    torch.save(torchvision, tmp_path / 'resnet18.pth')
    index = dict(theirs=dict(Weights=(tmp_path / 'resnet18.pth').as_uri()))
    for module in ('index', 'loading'):
        monkeypatch.setattr(f'mmkd.zoo.{module}.model_index', lambda: index)
    for name in (str(tmp_path / 'resnet18.pth'), 'theirs', index['theirs']['Weights']):
        module = initialised(BACKBONES['ResNet, mmdet'][2], name)
        assert all(torch.equal(value, torchvision[key]) for key, value in module.state_dict().items())
    assert 'backbone.conv1.weight' in CheckpointLoader.load_checkpoint('theirs')['state_dict']
    assert 'conv1.weight' in CheckpointLoader.load_checkpoint(str(tmp_path / 'resnet18.pth'))
