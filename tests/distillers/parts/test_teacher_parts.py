"""Parts of a teacher that losses call on the student's tensors."""
import copy

import pytest
import torch
from mmengine.registry import MODELS
from torch import nn

from mmkd.distillers import Taps, Teacher
from mmkd.distillers.inputs import InputAdapter
from mmkd.distillers.parts import TeacherParts
from mmkd.utils import UserError


def image_classifier(width: int, gap: bool, **backbone) -> dict:
    """A classifier around a backbone."""
    return dict(type='mmpretrain.ImageClassifier', backbone=backbone,
                neck=dict(type='mmpretrain.GlobalAveragePooling') if gap else None,
                head=dict(type='mmpretrain.LinearClsHead', num_classes=7, in_channels=width))


def timm(name: str, **options) -> dict:
    """A classifier of timm's."""
    return dict(type='mmpretrain.TimmClassifier', model_name=name, num_classes=7, **options)


def parts_of(tap: str = 'stage4', **models: nn.Module) -> TeacherParts:
    """The parts of teachers, of which a tap was read; ``single`` names the only one."""
    images = torch.rand(2, 3, 64, 64)
    teachers = {name.replace('single', 'teacher'): Teacher(model, [tap], InputAdapter(None, None))
                for name, model in models.items()}
    tapped = {(read if name == 'teacher' else f'{name}:{read}'): value for name, teacher in teachers.items()
              for read, value in teacher(images).items()}
    return TeacherParts(teachers, images, tapped)


RESNET = image_classifier(512, True, type='mmpretrain.ResNet', depth=18)
SLAK = image_classifier(16, False, type='mmkd.SLaK', arch=dict(depths=[1, 1], channels=[8, 16]), width_factor=1.0,
                        kernel_sizes=(7, 7), small_kernel=3)
POOLING = {
    'ResNet': RESNET, 'SLaK': SLAK,
    'ConvNeXt': image_classifier(16, False, type='mmpretrain.ConvNeXt',
                                 arch=dict(depths=[1] * 4, channels=[4, 8, 8, 16])),
    'ConvNeSt': image_classifier(16, False, type='mmkd.ConvNeSt', arch=dict(depths=[1, 1], channels=[8, 16])),
    'Swin': image_classifier(768, True, type='mmpretrain.SwinTransformer', arch='tiny', img_size=64, window_size=2),
    'timm ResNet': timm('resnet10t'),
    'timm ConvNeXt': timm('convnext_atto'),
    'timm Swin': timm('swin_tiny_patch4_window7_224', img_size=64, window_size=2),
}


@pytest.fixture(params=POOLING)
def pooling_model(request) -> nn.Module:
    """A classifier that pools its last map."""
    if request.param.startswith('timm'):
        pytest.importorskip('timm')
    torch.manual_seed(0)
    return MODELS.build(POOLING[request.param]).eval()


@torch.no_grad()
def test_the_classifier_gives_the_logits_of_the_last_stage(pooling_model):
    from mmkd.distillers.taps import named_locations
    last = max(name for name in named_locations(pooling_model) if name.startswith('stage'))
    taps = Taps(pooling_model, [last])
    logits, read = taps.read(pooling_model, torch.rand(2, 3, 64, 64))
    classify = parts_of(last, single=pooling_model).classifier([last])
    torch.testing.assert_close(classify(read[last]), logits)
    assert copy.deepcopy(classify) is classify  # a function: a copy of the loss takes no copy of the teacher


def test_a_class_token_is_no_pooled_map():
    arch = dict(embed_dims=16, num_layers=4, num_heads=2, feedforward_channels=32)
    model = MODELS.build(dict(
        type='mmpretrain.ImageClassifier', backbone=dict(type='mmpretrain.VisionTransformer', arch=arch, img_size=32),
        head=dict(type='mmpretrain.VisionTransformerClsHead', num_classes=7, in_channels=16)))
    with pytest.raises(UserError, match='reads the pooled map of its last stage, got a VisionTransformer'):
        TeacherParts({'teacher': Teacher(model, ['stage4'], InputAdapter(None, None))}, torch.rand(2, 3, 32, 32),
                     {}).classifier(['stage4'])


def test_batch_norms_before_a_tap():
    model = MODELS.build(RESNET)
    last = model.backbone.layer4[1].bn2
    nn.init.normal_(last.weight)
    taps = ['stage4', 'backbone.layer4.1.relu@input', 'backbone.layer4.1.bn2', 'backbone.layer4.1', 'pre_logits']
    norms = parts_of(single=model).norms(taps)
    assert all(torch.equal(weight, last.weight) and torch.equal(bias, last.bias) for weight, bias in norms[:4])
    assert norms[4] is None
    several = parts_of('stage2', large=MODELS.build(SLAK), other=model)
    norms = several.norms(['large:stage2', 'other:stage4'])
    assert norms[0] is None and torch.equal(norms[1][0], last.weight)  # a layer norm comes after the first
    assert several.norms(['other:stage4'])[0] is not None


@pytest.mark.parametrize('part', ['classifier', 'last_stage'])
def test_a_part_is_of_one_teacher(part):
    small = dict(RESNET, backbone=dict(RESNET['backbone'], stem_channels=8, base_channels=8))
    small['head'] = dict(small['head'], in_channels=64)
    several = parts_of(wide=MODELS.build(RESNET), thin=MODELS.build(small))
    with pytest.raises(UserError, match='taps of one teacher, whose part it calls, got some of thin, wide'):
        getattr(several, part)(['wide:stage4', 'thin:logits'])
    assert getattr(several, part)(['thin:stage4'])(torch.rand(1, 64 if 'class' in part else 32, 4, 4)) is not None


def test_the_norm_of_a_block_is_not_that_of_its_shortcut():
    """A block with a downsampling shortcut registers that one's norm last."""
    for depth, norm in ((18, 'bn2'), (50, 'bn3')):
        model = MODELS.build(image_classifier(512, True, type='mmpretrain.ResNet', depth=depth))
        block = model.backbone.layer4[0]
        for module in (getattr(block, norm), block.downsample[1]):
            nn.init.normal_(module.weight)
        for weight, _ in parts_of(single=model).norms(['backbone.layer4.0', 'backbone.layer4.0.relu@input']):
            assert torch.equal(weight, getattr(block, norm).weight)


@pytest.mark.parametrize('teacher', [['stage3', 'stage4'], ['stage3', 'backbone.layer4.1.relu@input']])
def test_ofd_refuses_maps_from_behind_a_relu(teacher):
    """The margin is below zero, and what a ReLU has passed is not."""
    spec = image_classifier(512, True, type='mmpretrain.ResNet', depth=18, zero_init_residual=False)
    spec['data_preprocessor'] = dict(type='mmpretrain.ClsDataPreprocessor', mean=[120.] * 3, std=[60.] * 3)
    term = dict(loss=dict(type='mmkd.OFDLoss'), connector=dict(type='mmkd.ConvConnector', norm=True),
                student=['stage3', 'stage4'], teacher=teacher)
    recipe = dict(type='mmkd.Distiller', student=spec, teacher=spec, input_size=64, terms=dict(ofd=term))
    with pytest.raises(UserError, match="term 'ofd' .* from before a ReLU, got no negative value in map .*relu@input"):
        MODELS.build(recipe)
    term['teacher'] = ['backbone.layer3.1.relu@input', 'backbone.layer4.1.relu@input']
    assert all((margin.value < 0).all() for margin in MODELS.build(recipe).terms['ofd'].loss.margins)
