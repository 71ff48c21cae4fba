"""Layer decay: the published groups and scales for ConvNeXt, and any model with a backbone that has layers."""
import pytest
from mmengine.optim import build_optim_wrapper
from torch import nn

from mmkd.backbones import ConvNeSt, SLaK
from mmkd.engine.optimizers import LayerDecayOptimWrapperConstructor
from mmkd.layers.running_average import RunningAverage
from mmkd.utils import UserError

SMALL = dict(depths=(1, 1, 4, 1), channels=(4, 8, 8, 8))


class Model(nn.Module):
    """A detector, as far as an optimizer sees."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.neck = nn.Conv2d(8, 8, 1)


class Distiller(nn.Module):
    """A distiller, as far as an optimizer sees."""

    def __init__(self, student: nn.Module) -> None:
        super().__init__()
        self.student = student
        self.terms = nn.Linear(2, 2)


def groups(model: nn.Module, constructor: str, **paramwise_cfg: object) -> dict[str, tuple[float, float]]:
    """Parameter name to learning rate and weight decay."""
    wrapper = build_optim_wrapper(model, dict(
        optimizer=dict(type='AdamW', lr=.1, weight_decay=.05), constructor=constructor, paramwise_cfg=paramwise_cfg))
    found = {id(param): (pytest.approx(group['lr']), group['weight_decay'])
             for group in wrapper.optimizer.param_groups for param in group['params']}
    return {name: found[id(param)] for name, param in model.named_parameters() if param.requires_grad}


@pytest.mark.parametrize('library', ['mmdet', 'mmseg'])
@pytest.mark.parametrize('decay_type', ['layer_wise', 'stage_wise'])
@pytest.mark.parametrize('depths', [(3, 3, 9, 3), (3, 3, 27, 3)])
def test_equals_the_published_one_for_convnext(depths, decay_type, library):
    pytest.importorskip(f'{library}.engine.optimizers')
    convnext = pytest.importorskip('mmpretrain.models').ConvNeXt
    model = Model(convnext(dict(depths=depths, channels=(4, 8, 8, 8)), out_indices=(0, 1, 2, 3),
                           gap_before_final_norm=False, frozen_stages=1))
    theirs = groups(model, f'{library}.LearningRateDecayOptimizerConstructor', decay_rate=.7, decay_type=decay_type,
                    num_layers=12 if depths[2] > 9 else 6)
    mine = groups(model, 'mmkd.LayerDecayOptimWrapperConstructor', decay_rate=.7, decay_type=decay_type)
    assert {name: (lr.expected, decay) for name, (lr, decay) in theirs.items()} == mine
    assert len({lr.expected for lr, _ in mine.values()}) > 3


@pytest.mark.parametrize('backbone', [ConvNeSt, SLaK])
def test_our_backbones_in_a_distiller(backbone):
    rates = groups(Distiller(Model(backbone(SMALL, out_indices=(0, 1, 2, 3)))),
                   'mmkd.LayerDecayOptimWrapperConstructor', decay_rate=.5)
    lr = {name: rate.expected for name, (rate, _) in rates.items()}
    assert lr['terms.weight'] == lr['student.neck.weight'] == lr['student.backbone.norm3.weight'] == .1
    assert lr['student.backbone.downsample_layers.0.0.weight'] == pytest.approx(.1 * .5**7)
    assert lr['student.backbone.stages.2.0.norm1.weight' if backbone is ConvNeSt else
              'student.backbone.stages.2.0.norm.weight'] == pytest.approx(.1 * .5**4)
    assert rates['terms.weight'][1] == .05 and rates['student.neck.bias'][1] == 0


def test_vision_transformer():
    vit = pytest.importorskip('mmpretrain.models').VisionTransformer
    model = Model(vit(dict(embed_dims=8, num_layers=2, num_heads=2, feedforward_channels=8), img_size=32))
    rates = groups(model, 'mmkd.LayerDecayOptimWrapperConstructor', decay_rate=.5)
    assert rates['backbone.layers.0.ln1.weight'] == (pytest.approx(.1 * .25), 0)
    assert rates['backbone.pos_embed'] == (pytest.approx(.1 * .125), 0)
    with pytest.raises(UserError, match='expects a backbone with stages'):
        groups(model, 'mmkd.LayerDecayOptimWrapperConstructor', decay_rate=.5, decay_type='stage_wise')


@pytest.mark.parametrize(('cfg', 'words'), [
    (None, 'expects paramwise_cfg to have a decay_rate'),
    (dict(decay_rate=2.), 'in .0, 1.'),
    (dict(decay_rate=.9, num_layers=6), 'num_layers'),
    (dict(decay_rate=.9, decay_type='layerwise'), 'Did you mean layer_wise'),
])
def test_wrong_settings(cfg, words):
    with pytest.raises(UserError, match=words):
        LayerDecayOptimWrapperConstructor(dict(optimizer=dict(type='SGD', lr=.1)), cfg)


@pytest.mark.parametrize('model', [nn.Linear(2, 2), Model(nn.Linear(2, 2))])
def test_models_without_layers(model):
    with pytest.raises(UserError, match='expects one backbone with get_layer_depth'):
        groups(model, 'mmkd.LayerDecayOptimWrapperConstructor', decay_rate=.9)


def test_a_running_average_as_teacher_is_no_second_backbone():
    student = Model(ConvNeSt(SMALL))
    alone = groups(Distiller(student), 'mmkd.LayerDecayOptimWrapperConstructor', decay_rate=.5)
    model = Distiller(student)
    model.averages = nn.ModuleDict(dict(average=RunningAverage(student)))
    assert groups(model, 'mmkd.LayerDecayOptimWrapperConstructor', decay_rate=.5) == alone
    model.other = Model(ConvNeSt(SMALL))
    with pytest.raises(UserError, match='expects one backbone .*, got student.backbone .*, other.backbone'):
        groups(model, 'mmkd.LayerDecayOptimWrapperConstructor', decay_rate=.5)
