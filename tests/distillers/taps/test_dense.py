"""The named places of detectors and segmentors."""
import pytest
import torch
from mmengine.registry import init_default_scope
from torch import nn

from mmkd.distillers import Taps
from mmkd.distillers.models import build_model, fake_samples, read_spec
from mmkd.distillers.taps import locate, named_locations, reads_classes
from mmkd.utils import UserError

from ..detection import SEGMENTORS, STUDENT


def named(config: str) -> nn.Module:
    init_default_scope('mmdet')
    return build_model(read_spec(dict(config=config), 'student'), 'student').eval()


@pytest.fixture(scope='module')
def detector() -> nn.Module:
    return named(STUDENT)


def test_names_in_the_order_of_the_pass(detector):
    assert list(named_locations(detector)) == [
        'stage1', 'stage2', 'stage3', 'neck1', 'neck2', 'neck3', 'neck4', 'rpn', 'roi_features', 'logits']
    assert list(named_locations(named(SEGMENTORS[0]))) == ['stage1', 'stage2', 'stage3', 'logits']


def test_values_of_one_pass(detector):
    names = ['neck1', 'neck4', 'neck', 'rpn', 'logits', 'roi_features', 'roi_head.bbox_roi_extractor@input']
    runs = []
    handle = detector.neck.register_forward_hook(lambda *args: runs.append(1))
    with torch.no_grad():
        images = torch.rand(2, 3, 96, 96)
        _, read = Taps(detector, names).read(detector, images, fake_samples(detector, 2, (96, 96)), mode='predict')
    handle.remove()
    assert runs == [1] and len(read['neck']) == 4
    assert torch.equal(read['neck1'], read['neck'][0]) and torch.equal(read['neck4'], read['neck'][3])
    assert [tuple(level.shape[2:]) for level in read['rpn']] == [(24, 24), (12, 12), (6, 6), (3, 3)]
    assert all(map(torch.equal, read['rpn'], read['logits']))
    assert len(read['roi_features']) == len(read['roi_head.bbox_roi_extractor@input'])


def test_which_taps_read_scores_of_classes(detector):
    """Of two models of other classes, or in another order, these mean something else."""
    def reading(model: nn.Module, *names: str) -> list[str]:
        return [name for name in names if reads_classes(model, locate(model, name))]

    names = ['stage3', 'neck1', 'rpn', 'logits', 'rpn_head', 'rpn_head.rpn_cls', 'roi_features',
             'roi_head.bbox_head.fc_cls', 'roi_head.bbox_head.fc_reg', 'roi_head.bbox_head']
    assert reading(detector, *names) == ['roi_head.bbox_head.fc_cls', 'roi_head.bbox_head']
    retina = named('fashion/retinanet_convnest-mini_fashion.py')
    assert reading(retina, 'neck2', 'logits', 'bbox_head.retina_cls', 'bbox_head.retina_reg', 'bbox_head.cls_convs.0'
                   ) == ['logits', 'bbox_head.retina_cls']
    segmentor = named(SEGMENTORS[0])
    assert reading(segmentor, 'stage3', 'logits', 'decode_head.conv_seg', 'decode_head.conv_seg@input',
                   'auxiliary_head.conv_seg') == ['logits', 'decode_head.conv_seg', 'auxiliary_head.conv_seg']
    classifier = named('quickstart/convnest-mini_digits-5shot.py')
    assert reading(classifier, 'stage3', 'pre_logits', 'logits', 'head.fc', 'head.fc@input') == ['logits', 'head.fc']


@pytest.mark.parametrize('name', ['neck5', 'neck0', 'nec1', 'roi_feature'])
def test_unknown_names_list_those_that_there_are(detector, name):
    with pytest.raises(UserError, match=f'MaskRCNN has no tap {name!r}. .*neck4|MaskRCNN has no tap {name!r}. Did you'):
        Taps(detector, [name])


def test_necks_that_do_not_say_how_many_maps_they_return():
    model = nn.Module()
    model.neck = nn.Conv2d(1, 1, 1)
    assert not any(name.startswith('neck') for name in named_locations(model))
    model.neck = nn.Sequential(nn.Identity(), nn.Identity())
    model.neck[-1].num_levels = 2
    assert [name for name in named_locations(model) if name.startswith('neck')] == ['neck1', 'neck2']
