"""The mean corruption error beside the formula."""
import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmpretrain.structures import DataSample

from mmkd.datasets.classification.imagenet_variants import CORRUPTIONS
from mmkd.evaluation import MeanCorruptionError
from mmkd.evaluation.corruption_error import ALEXNET_ERRORS
from mmkd.utils import UserError

IMAGES = 4


def sample(corruption: str, severity: object, wrong: bool) -> DataSample:
    path = f'data/imagenet-c/{corruption}/{severity}/n01440764/x.JPEG'
    scores = torch.zeros(1000).index_fill_(0, torch.tensor(int(wrong)), 1.0)
    return DataSample(metainfo=dict(img_path=path)).set_pred_score(scores).set_gt_label(0)


def evaluate(data):
    evaluator = Evaluator([MeanCorruptionError()])
    evaluator.process(data)
    return evaluator.evaluate(len(data))


def draw(corruptions, severities=(1, 2, 3, 4, 5)) -> tuple[np.ndarray, list[DataSample]]:
    wrong = np.random.default_rng(0).random((len(corruptions), len(severities), IMAGES)) < 0.4
    data = [sample(name, severity, wrong[c, s, i]) for c, name in enumerate(corruptions)
            for s, severity in enumerate(severities) for i in range(IMAGES)]
    return wrong, data


def test_closed_form():
    wrong, data = draw(CORRUPTIONS)
    metrics = evaluate(data)
    alexnet = {'gaussian_noise': 0.886428, 'fog': 0.819324, 'jpeg_compression': 0.6065}
    for name, error in alexnet.items():
        sums = wrong[CORRUPTIONS.index(name)].mean(-1).sum()
        assert metrics[f'corruption/CE_{name}'] == pytest.approx(100 * sums / (5 * error), abs=1e-9)
    ratios = wrong.mean((1, 2)) / np.array([ALEXNET_ERRORS[name] for name in CORRUPTIONS])
    assert metrics['corruption/mCE'] == pytest.approx(100 * ratios.mean(), abs=1e-9)
    assert len(metrics) == 31


def test_alexnet_itself_has_100():
    data = []
    for name, error in ALEXNET_ERRORS.items():
        wrong = round(1000 * error)  # of 1,000 images, at every severity
        data += [(name, severity, i < wrong) for severity in range(1, 6) for i in range(1000)]
    metric = MeanCorruptionError()
    codes = [2 * metric._condition(dict(img_path=f'{c}/{s}/n01440764/x.JPEG')) + w for c, s, w in data]
    assert len(ALEXNET_ERRORS) == 15 and metric.compute_metrics(codes)['mCE'] == pytest.approx(100, abs=0.1)


def test_severities_weigh_the_same():
    data = [sample('fog', s, True) for s in (1, 1, 1, 1)] + [sample('fog', s, False) for s in (2, 3, 4, 5)]
    assert evaluate(data) == pytest.approx({'corruption/error_fog': 20, 'corruption/CE_fog': 20 / 0.819324})


def test_no_mce_of_a_part():
    assert 'corruption/mCE' not in evaluate(draw(CORRUPTIONS[:-1])[1])
    assert set(evaluate(draw(['fog'], [3])[1])) == {'corruption/error_fog'}
    extra = evaluate(draw([*CORRUPTIONS, 'saturate'])[1])
    assert 'corruption/mCE' in extra and 'corruption/CE_saturate' not in extra


@pytest.mark.parametrize(('corruption', 'severity'), [('rain', 1), ('fog', 6), ('fog', 'hard'), ('fog', 0)])
def test_bad_paths(corruption, severity):
    with pytest.raises(UserError, match='expects paths such as'):
        evaluate([sample(corruption, severity, True)])


def test_short_path():
    with pytest.raises(UserError, match='got x.JPEG'):
        evaluate([DataSample(metainfo=dict(img_path='x.JPEG')).set_pred_score(torch.rand(1000)).set_gt_label(0)])
