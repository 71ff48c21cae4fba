"""ReaL accuracy beside a count by hand."""
import json

import pytest
import torch
from mmengine.evaluator import Evaluator
from mmpretrain.structures import DataSample

from mmkd.evaluation import ReaLAccuracy
from mmkd.utils import UserError

LABELS = [[], [3], [5, 7], [7], [0, 999]]


def samples(predictions: list[int], numbers: list[int], classes: int = 1000) -> list[DataSample]:
    scores = [torch.zeros(classes).index_fill_(0, torch.tensor(p), 1.0) for p in predictions]
    return [DataSample(metainfo=dict(img_path=f'archive://a.index/val/ILSVRC2012_val_{n:08d}.JPEG')).set_pred_score(s)
            for s, n in zip(scores, numbers)]


@pytest.fixture
def labels(tmp_path):
    (tmp_path / 'real.json').write_text(json.dumps(LABELS))
    return tmp_path / 'real.json'


def evaluate(metric, data):
    evaluator = Evaluator([metric])
    evaluator.process(data)
    return evaluator.evaluate(len(data))


def test_closed_form(labels):
    # Image 1 has no label and does not count; 2 right, 3 right by its second label, 4 wrong, 5 right by its last
    metrics = evaluate(ReaLAccuracy(str(labels)), samples([0, 3, 7, 5, 999], [1, 2, 3, 4, 5]))
    assert metrics == {'accuracy/real_top1': 75.0}
    assert evaluate(ReaLAccuracy(str(labels)), samples([7, 3], [4, 3])) == {'accuracy/real_top1': 50.0}


def test_published_labels():
    metric = ReaLAccuracy()
    assert len(metric.labels) == 50000
    assert sum(not row for row in metric.labels) == 3163  # the paper keeps 46,837 images
    assert evaluate(metric, samples([795, 231, 0], [2, 3, 4])) == {'accuracy/real_top1': pytest.approx(200 / 3)}


@pytest.mark.parametrize(('data', 'message'), [
    (samples([0], [6]), 'JPEG to 00000005, got ILSVRC2012_val_00000006.JPEG'),
    (samples([0], [0]), 'ILSVRC2012_val_00000000'),
    (samples([0], [1]), 'images that have labels'),
    (samples([0], [2], classes=10), 'scores of ImageNet-1K.s 1000 classes, got 10'),
    ([DataSample().set_pred_score(torch.rand(1000))], "img_path"),
], ids=['beyond', 'zero', 'unlabelled', 'classes', 'path'])
def test_bad_input(labels, data, message):
    with pytest.raises(UserError, match=message):
        evaluate(ReaLAccuracy(str(labels)), data)


@pytest.mark.parametrize('text', ['{', '[3]', '[[1000]]', '[["a"]]', '{"a": []}'])
def test_bad_file(tmp_path, text):
    (tmp_path / 'real.json').write_text(text)
    with pytest.raises(UserError, match='labels of ReaLAccuracy expects'):
        ReaLAccuracy(str(tmp_path / 'real.json'))
