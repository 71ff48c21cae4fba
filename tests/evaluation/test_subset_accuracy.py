"""Accuracy among a subset of the classes: the other classes' scores do not count."""
import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmpretrain.structures import DataSample

from mmkd.datasets.classification.imagenet_classes import class_indices, subset_indices
from mmkd.evaluation import SubsetAccuracy
from mmkd.utils import UserError


def evaluate(metric, scores, targets):
    data = [DataSample().set_pred_score(torch.as_tensor(s)).set_gt_label(int(t)) for s, t in zip(scores, targets)]
    evaluator = Evaluator([metric])
    evaluator.process(data)
    return evaluator.evaluate(len(data))


@pytest.mark.parametrize('subset', ['imagenet-a', 'imagenet-r'])
def test_closed_form(subset):
    rng = np.random.default_rng(0)
    mask = np.zeros(1000, bool)
    mask[list(subset_indices(subset))] = True
    assert mask.sum() == 200
    targets = rng.choice(np.flatnonzero(mask), 60)
    scores = rng.normal(size=(60, 1000))
    scores[np.arange(60), targets] += 2
    order = np.argsort(-np.where(mask, scores, -np.inf), axis=1)
    wanted = {f'accuracy/top{k}': 100 * (order[:, :k] == targets[:, None]).any(1).mean() for k in (1, 5)}
    metrics = evaluate(SubsetAccuracy(subset, topk=(1, 5)), scores, targets)
    assert metrics == pytest.approx(wanted)
    assert metrics['accuracy/top1'] > 100 * (scores.argmax(1) == targets).mean()  # the mask matters


def test_scores_outside_count_for_nothing():
    subset = list(class_indices())[2:4]
    scores = torch.zeros(1, 1000).index_fill_(1, torch.tensor([0, 1, 999]), 9.0).index_fill_(1, torch.tensor([3]), 1e-3)
    assert evaluate(SubsetAccuracy(subset), scores, [3]) == {'accuracy/top1': 100.0}
    assert evaluate(SubsetAccuracy(subset), scores, [2]) == {'accuracy/top1': 0.0}


def test_lists_are_the_published_ones():
    a, r = (set(subset_indices(name)) for name in ('imagenet-a', 'imagenet-r'))
    assert {6, 11, 13} <= a and {1, 2, 4} <= r
    assert class_indices()['n01440764'] == 0 and class_indices()['n15075141'] == 999


@pytest.mark.parametrize(('arguments', 'message'), [
    (dict(subset='imagenet-x'), "imagenet-a, imagenet-r, got 'imagenet-x'"),
    (dict(subset=['n00000000']), "WordNet ids of ImageNet-1K, got 'n00000000'"),
    (dict(subset='imagenet-a', topk=(201,)), 'from 1 to 200'),
    (dict(subset='imagenet-a', topk=()), 'from 1 to 200'),
])
def test_bad_arguments(arguments, message):
    with pytest.raises(UserError, match=message):
        SubsetAccuracy(**arguments)


def test_bad_data():
    with pytest.raises(UserError, match='got one of class 0'):
        evaluate(SubsetAccuracy('imagenet-a'), torch.rand(1, 1000), [0])
    with pytest.raises(UserError, match='1000 classes, got 200'):
        evaluate(SubsetAccuracy('imagenet-a'), torch.rand(1, 200), [6])
