"""A timm student as the backbone of a detector."""
import mmkd  # noqa: F401  (before mmdet)
import pytest
import timm
import torch
from mmengine.config import Config
from mmengine.model import PretrainedInit
from mmengine.registry import DefaultScope

from mmkd.utils import UserError
from mmkd.utils.configs.finding import config_root
from mmkd.zoo.pretrained import PretrainedBackboneInit
from mmkd.zoo.timm_names import in_wrapper, timm_backbone_weights

NAMES = ['resnet10t', 'convnext_atto']  # the second has other names with features_only


@pytest.fixture(params=NAMES)
def student(request, tmp_path):
    """A timm classifier's name and its published weights, as the tensors of its features."""
    torch.manual_seed(0)
    model = timm.create_model(request.param, num_classes=10)
    torch.save(dict(state_dict=model.state_dict(), meta={}), tmp_path / 'student.pth')
    return request.param, model


def detector(name: str, **init_cfg):
    """A Faster R-CNN of mmdet's on a timm backbone, built and initialised."""
    from mmdet.registry import MODELS
    config = Config.fromfile(config_root('mmdet') / '_base_/models/faster-rcnn_r50_fpn.py')
    config.model.backbone = dict(type='mmpretrain.TIMMBackbone', model_name=name, features_only=True, pretrained=False,
                                 init_cfg=dict(type='Pretrained', **init_cfg))
    config.model.neck.in_channels = timm.create_model(name, features_only=True).feature_info.channels()[-4:]
    config.model.roi_head.bbox_head.fc_out_channels = 8
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(config.model)
        model.backbone.init_weights()
    return model


def assert_is_the_students(detector, name: str, model: torch.nn.Module) -> None:
    """Every tensor of the backbone, and so every map."""
    images = torch.rand(1, 3, 64, 64)
    detector.eval()
    maps = detector.backbone(images)
    features = timm.create_model(name, features_only=True)
    features.load_state_dict(dict(zip(features.state_dict(), ours(features, model), strict=True)))
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(maps, features.eval()(images), strict=True))
    own = detector.backbone.state_dict()
    assert len(own) == len(features.state_dict()) > 40
    assert all(torch.equal(own[f'timm_model.{name}'], value) for name, value in features.state_dict().items())


def ours(features: torch.nn.Module, model: torch.nn.Module) -> list[torch.Tensor]:
    """The model's tensors by their place: timm builds the features out of the model's own layers, in order."""
    return list(model.state_dict().values())[:len(features.state_dict())]


@pytest.mark.parametrize('prefix', [{}, dict(prefix='backbone.')], ids=['without prefix', 'with one'])
def test_a_published_student_in_a_detector(student, tmp_path, monkeypatch, prefix):
    """As mmkd's tools initialise it: its file as it is."""
    from mmengine.registry import WEIGHT_INITIALIZERS
    monkeypatch.setitem(WEIGHT_INITIALIZERS._module_dict, 'Pretrained', PretrainedBackboneInit)
    name, model = student
    assert_is_the_students(detector(name, checkpoint=str(tmp_path / 'student.pth'), **prefix), name, model)


def test_published_for_mmdets_own_tools(student, tmp_path, monkeypatch):
    """As MMEngine's initialiser does it: by names that fit."""
    from mmengine.registry import WEIGHT_INITIALIZERS
    monkeypatch.setitem(WEIGHT_INITIALIZERS._module_dict, 'Pretrained', PretrainedInit)
    name, model = student
    torch.save(dict(state_dict=timm_backbone_weights(name, model.state_dict())), tmp_path / 'backbone.pth')
    assert_is_the_students(detector(name, checkpoint=str(tmp_path / 'backbone.pth')), name, model)


def test_another_models_file_is_an_error(tmp_path):
    from mmpretrain.models import TIMMBackbone
    torch.save(timm.create_model('resnet10t').state_dict(), tmp_path / 'student.pth')
    with pytest.raises(UserError, match='TIMMBackbone from .*student.pth: .* tensors matched; missing timm_model'):
        PretrainedBackboneInit(str(tmp_path / 'student.pth'))(TIMMBackbone('convnext_atto', features_only=True))


def test_a_deeper_models_file_is_an_error():
    """Of which all tensors of the smaller one fit."""
    with pytest.raises(UserError, match=r'expects the weights of its own timm model, got more: layer\d\.'):
        timm_backbone_weights('resnet18', timm.create_model('resnet34').state_dict())
    with pytest.raises(UserError, match=r'got more: stages'):
        timm_backbone_weights('convnext_tiny', timm.create_model('convnext_small').state_dict())


@pytest.mark.parametrize(('name', 'message'), [
    ('resnet10', "name of a timm model, got 'resnet10'. Did you mean resnet10t"),
    ('convnext_atto', r'backbone convnext_atto: .* tensors matched; missing timm_model')])
def test_mistakes(name, message):
    with pytest.raises(UserError, match=message):
        timm_backbone_weights(name, timm.create_model('resnet10t').state_dict())


def test_names_of_transformers():
    assert in_wrapper({'blocks.0.w': torch.ones(1), 'head.w': torch.ones(1)}, ['timm_model.model.blocks.0.w']).keys() \
        == {'timm_model.model.blocks.0.w'}
