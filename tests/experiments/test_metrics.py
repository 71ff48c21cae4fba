"""What runs are compared by."""
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
