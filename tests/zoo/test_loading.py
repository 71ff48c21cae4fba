"""Weights of any origin, by whatever way they are loaded."""
import pytest
import torch
from mmengine.runner import CheckpointLoader

from mmkd.distillers.models import ModelSpec, build_model
from mmkd.utils import UserError
from mmkd.utils.checkpoints.reading import trust_checkpoints
from mmkd.zoo import load_safely_everywhere, load_weights

from .converters.test_slak import ARCH, classifier, published


@pytest.fixture()
def restore_loader():
    before, load = dict(CheckpointLoader._schemes), torch.load
    yield
    CheckpointLoader._schemes, torch.load = before, load
    trust_checkpoints(False)


@pytest.fixture()
def checkpoint(tmp_path):
    model = classifier()
    torch.save(dict(model=published(model), epoch=299), tmp_path / 'slak.pth')
    return str(tmp_path / 'slak.pth'), model.state_dict()


def test_teacher_from_a_published_file(checkpoint):
    path, state = checkpoint
    spec = ModelSpec(dict(
        type='mmpretrain.ImageClassifier', backbone=dict(type='mmkd.SLaK', arch=ARCH, width_factor=1.),
        head=dict(type='LinearClsHead', in_channels=10, num_classes=7)), path)
    built = build_model(spec, 'teacher').state_dict()
    assert all(torch.equal(value, built[name]) for name, value in state.items())


def test_own_names_are_left_alone(tmp_path):
    weights = {'conv1.weight': torch.ones(1), 'bn1.weight': torch.ones(1), 'layer1.0.conv1.weight': torch.ones(1),
               'layer3.0.downsample.0.weight': torch.ones(1)}
    torch.save(weights, tmp_path / 'resnet.pth')
    assert load_weights(str(tmp_path / 'resnet.pth'), weights).keys() == weights.keys()
    assert 'backbone.conv1.weight' in load_weights(str(tmp_path / 'resnet.pth'), ['backbone.conv1.weight'])


def test_safetensors_with_a_computed_buffer(tmp_path):
    """timm's BEiT files may hold one that its classes no longer save."""
    safetensors = pytest.importorskip('safetensors.torch')
    own = {'blocks.0.attn.qkv.weight': torch.ones(3), 'norm.weight': torch.ones(2)}
    index = 'blocks.0.attn.relative_position_index'
    safetensors.save_file(own | {index: torch.arange(4)}, tmp_path / 'model.safetensors')
    assert load_weights(str(tmp_path / 'model.safetensors'), own).keys() == own.keys()
    assert load_weights(str(tmp_path / 'model.safetensors'), [*own, index]).keys() == {*own, index}


def test_backbone_of_a_detector_from_a_published_file(checkpoint, restore_loader):
    path, state = checkpoint
    load_safely_everywhere()
    init = dict(type='Pretrained', checkpoint=path, prefix='backbone.')
    backbone = classifier(init_cfg=init, out_indices=(0, 1, 2, 3), gap_before_final_norm=False).backbone
    backbone.init_weights()
    assert all(torch.equal(value, state[f'backbone.{name}']) for name, value in backbone.state_dict().items()
               if f'backbone.{name}' in state)


def test_backbone_of_a_detector_by_its_name_in_the_index(tmp_path, monkeypatch, restore_loader):
    load_safely_everywhere()
    (tmp_path / 'files').mkdir()
    torch.save(dict(state_dict={'backbone.norm.weight': torch.ones(2)}), tmp_path / 'files/student.pth')
    monkeypatch.setenv('MMKD_HOME', str(tmp_path / 'cache'))
    entries = dict(mine=dict(Weights=(tmp_path / 'files/student.pth').as_uri()), unpublished=dict(Config='mine.py'))
    monkeypatch.setattr('mmkd.zoo.index.model_index', lambda: entries)
    state = CheckpointLoader.load_checkpoint('mine')['state_dict']
    assert torch.equal(state['backbone.norm.weight'], torch.ones(2))
    with pytest.raises(UserError, match='no published weights yet. Train it with mine.py'):
        CheckpointLoader.load_checkpoint('unpublished')


def test_other_families_are_loaded_as_they_are(tmp_path, restore_loader):
    load_safely_everywhere()
    weights = {'conv1.weight': torch.ones(1), 'bn1.weight': torch.ones(1), 'layer1.0.conv1.weight': torch.ones(1),
               'layer3.0.downsample.0.weight': torch.ones(1)}
    torch.save(weights, tmp_path / 'resnet.pth')
    assert CheckpointLoader.load_checkpoint(str(tmp_path / 'resnet.pth')).keys() == weights.keys()


def test_missing_file():
    with pytest.raises(UserError, match='expects an existing file'):
        load_weights('no/where.pth', [])
