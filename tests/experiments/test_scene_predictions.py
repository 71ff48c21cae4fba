import numpy as np
import pytest
import torch
from mmengine.registry import MODELS, DefaultScope

from mmkd.experiments.scene_predictions import Instances, judge, mean_iou, predict_scenes
from mmkd.utils import UserError
from mmkd.utils.configs.finding import load_config


def save_untrained(config, path):
    with DefaultScope.overwrite_default_scope(config.default_scope):
        torch.save(dict(state_dict=MODELS.build(config.model).state_dict()), path)
    return path


def test_boxes_and_masks(home, tmp_path, monkeypatch):
    config = load_config('quickstart/mask-rcnn_convnest-mini_digits.py')
    monkeypatch.chdir(home)
    checkpoint = save_untrained(config, tmp_path / 'epoch_1.pth')
    scenes = predict_scenes(config, checkpoint, [0, 2], threshold=0.0)
    assert len(scenes) == 2
    for scene in scenes:
        size = scene.image.shape[:2]
        assert scene.image.dtype == np.uint8 and scene.image.std() > 10
        for part in (scene.truth, scene.prediction):
            assert isinstance(part, Instances)
            count = len(part.boxes)
            assert part.masks.shape == (count, *size) and part.masks.dtype == bool
            assert part.boxes.shape == (count, 4) and part.labels.shape == part.scores.shape == (count, )
            assert part.boxes.min(initial=0) >= 0 and part.boxes.max(initial=0) <= max(size)
        # each true box is drawn around its mask, in the frame of the image
        for box, mask in zip(scene.truth.boxes, scene.truth.masks):
            rows, columns = np.nonzero(mask)
            tight = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
            np.testing.assert_allclose(box, tight, atol=2)
    assert predict_scenes(config, checkpoint, [0], threshold=2.0)[0].prediction.boxes.size == 0


def test_regions(home, tmp_path, monkeypatch):
    config = load_config('quickstart/upernet_convnest-mini_digits.py')
    monkeypatch.chdir(home)
    [scene] = predict_scenes(config, save_untrained(config, tmp_path / 'epoch_1.pth'), [1])
    assert scene.truth.shape == scene.prediction.shape == scene.image.shape[:2]
    assert len(np.unique(scene.truth)) > 1
    assert 0 <= scene.prediction.min() <= scene.prediction.max() <= 10


def test_checkpoint_of_another_model(home, tmp_path, monkeypatch):
    config = load_config('quickstart/upernet_convnest-mini_digits.py')
    monkeypatch.chdir(home)
    torch.save(dict(state_dict=dict(weight=torch.zeros(1))), tmp_path / 'epoch_1.pth')
    with pytest.raises(UserError, match='unexpected weight'):
        predict_scenes(config, tmp_path / 'epoch_1.pth', [0])


def objects(boxes, labels, scores):
    return Instances(np.array(boxes, float).reshape(-1, 4), np.zeros((len(boxes), 8, 8), bool), np.array(labels),
                     np.array(scores, float))


def test_judge():
    truth = objects([(0, 0, 4, 4), (4, 0, 8, 4), (0, 4, 4, 8)], [1, 2, 3], [1, 1, 1])
    seen = objects([(0, 0, 4, 4), (0, 0, 4, 4), (4, 0, 8, 4), (4, 4, 8, 8)], [2, 1, 1, 3], [.4, .9, .8, .7])
    # the surest takes the place, so that the other has nothing left there
    assert judge(truth, seen) == (['nothing there', 'right', 'wrong class', 'nothing there'], [2])
    assert judge(truth, objects([], [], [])) == ([], [0, 1, 2])
    assert judge(objects([], [], []), seen) == (4 * ['nothing there'], [])


def test_mean_iou():
    truth, seen = np.array([[0, 0, 1, 1]]), np.array([[0, 0, 1, 2]])
    assert mean_iou(truth, truth) == 100
    assert mean_iou(truth, seen) == pytest.approx(100 * (1 + 0.5 + 0) / 3)
