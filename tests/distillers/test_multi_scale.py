"""Training on images of several sizes."""
import pytest
import torch
from mmpretrain.structures import DataSample

from .conftest import classifier, resnet

PATCHES = dict(  # stride 8, tied to its size
    type='mmpretrain.TimmClassifier', model_name='vit_tiny_patch16_224', img_size=32, patch_size=8, embed_dim=24,
    depth=4, num_heads=2, num_classes=10)


def term(connector: dict, stages: list[str], loss: str = 'mmkd.FDLoss') -> dict:
    """A term with a connector on some stages."""
    taps = stages if len(stages) > 1 else stages[0]
    return dict(term=dict(loss=dict(type=loss), student=taps, teacher=taps, connector=connector))


RESIZE, FUSION = dict(type='mmkd.ResizeConnector'), dict(type='mmkd.AttentionFusionConnector')
CROSS = dict(type='mmkd.CrossAttentionConnector', num_heads=2)


@pytest.mark.parametrize(('teacher', 'terms'), [
    (resnet(), term(RESIZE, ['stage2'])), (resnet(strides=(1, 2, 2, 1)), term(RESIZE, ['stage4'])),
    (PATCHES, term(RESIZE, ['stage2'])), (PATCHES, term(CROSS, ['stage2'])),
    (dict(input_size=64, **classifier(16)), term(RESIZE, ['stage2'])),
    (resnet(strides=(1, 2, 2, 1)), term(FUSION, ['stage1', 'stage2', 'stage4'], 'mmkd.ReviewKDLoss')),
    (PATCHES, term(FUSION, ['stage1', 'stage4'], 'mmkd.ReviewKDLoss'))])
def test_connectors_give_the_teachers_size_at_every_size(build, teacher, terms):
    distiller = build(teacher=teacher, terms=terms)
    wanted, given = [], []
    distiller.terms['term'].loss.register_forward_pre_hook(
        lambda _, args: [shapes.append([tuple(t.shape) for t in (value if isinstance(value, list) else [value])])
                         for shapes, value in zip((given, wanted), args)] and None)
    samples = [DataSample().set_gt_label(torch.tensor([i])) for i in range(2)]
    for size in (32, 64, 96, 48, (32, 64)):
        height, width = (size, size) if isinstance(size, int) else size
        losses = distiller(torch.rand(2, 3, height, width), samples, mode='loss')
        assert losses['loss_term'].isfinite() and given[-1] == wanted[-1]


def test_a_size_that_the_recipe_gives_stays_in_its_ratio(build):
    distiller = build(teacher=resnet(), terms=term(dict(RESIZE, teacher_size=(8, 8)), ['stage2'], 'mmkd.ATLoss'))
    given = []
    distiller.terms['term'].connectors[0].register_forward_hook(lambda *args: given.append(tuple(args[-1].shape[2:])))
    samples = [DataSample().set_gt_label(torch.tensor([i])) for i in range(2)]
    for size in (32, 64):
        distiller(torch.rand(2, 3, size, size), samples, mode='loss')
    assert given == [(8, 8), (16, 16)]
