"""What runs are compared by."""
import math

import pytest

from mmkd.experiments.metrics import BBOX_MAP, MIOU, TOP1, metric_named
from mmkd.utils import UserError


def test_all_figures_are_percent():
    found = {'accuracy/top1': 92.5, 'mIoU': 52.51, 'coco/bbox_mAP': 0.312, 'coco/segm_mAP': 0.29}
    assert [metric.percent(found, 'a') for metric in (TOP1, MIOU, BBOX_MAP)] == [92.5, 52.51, 31.2]
    other = metric_named('coco/segm_mAP', MIOU)
    assert other.percent(found, 'a') == 29. and other.name == 'segm_mAP'
    assert metric_named('mAcc', MIOU).percent({'mAcc': 3.}, 'a') == 3.
    assert metric_named(None, MIOU) is MIOU is metric_named('mIoU', MIOU)


@pytest.mark.parametrize(('found', 'names'), [({'accuracy/top1': 3., 'b': 4.}, 'accuracy/top1, b'), ({}, 'none')])
def test_a_figure_that_is_not_there(found, names):
    with pytest.raises(UserError, match=f'kd-seed0 expects mIoU among .* got {names}. Name one of these with --metric'):
        MIOU.percent(found, 'kd-seed0')


def test_shares_of_other_data_sets():
    for key in ('pascal_voc/mAP', 'lvis/bbox_AP'):
        assert metric_named(key, MIOU).percent({key: 0.25}, 'a') == 25. and metric_named(key, MIOU).name in key[5:]


@pytest.mark.parametrize('value', [-1., math.nan])
def test_a_figure_that_is_undefined(value):
    metric = metric_named('coco/bbox_mAP_l', BBOX_MAP)
    with pytest.raises(UserError, match=f'coco/bbox_mAP_l, which is undefined on these images .got {value:g}'):
        metric.percent({'coco/bbox_mAP_l': value}, 'kd-seed0')
    assert metric.percent({'coco/bbox_mAP_l': 0.}, 'a') == 0.
    assert metric_named('r2', MIOU).percent({'r2': -1.}, 'a') == -1


@pytest.mark.parametrize('value', ['x', [1., 2.], None, math.inf])
def test_a_figure_that_is_no_number(value):
    with pytest.raises(UserError, match='kd-seed0 expects a finite number for mIoU, got .* Name another figure with'):
        MIOU.percent({'mIoU': value}, 'kd-seed0')
