"""What a trained detector or segmentor sees in the pictures of its validation set."""
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATASETS, MODELS, DefaultScope
from mmengine.structures import BaseDataElement
from torchvision.ops import box_iou, nms

from mmkd.utils.checkpoints.reading import load_strictly, read_checkpoint, weights_of

SAME_PLACE = 0.5  # intersection over union


@dataclass(frozen=True)
class Instances:
    """Objects in a picture.

    Args:
        boxes: Left, top, right, bottom, (N, 4).
        masks: (N, H, W), bool.
        labels: Classes, (N,).
        scores: (N,), 1 for the truth.
    """
    boxes: np.ndarray
    masks: np.ndarray
    labels: np.ndarray
    scores: np.ndarray


@dataclass(frozen=True)
class Scene:
    """A picture, what is in it, and what a model saw.

    Args:
        image: (H, W, 3), RGB, 0 to 255.
        truth: The objects, or the class of each pixel (H, W).
        prediction: The same as the model sees it.
    """
    image: np.ndarray
    truth: Instances | np.ndarray
    prediction: Instances | np.ndarray


def predict_scenes(config: Config, checkpoint: Path, indices: Sequence[int], threshold: float = 0.3) -> list[Scene]:
    """Runs a trained model on some pictures of its validation set.

    Args:
        config: The run's config, of mmdet or mmseg.
        checkpoint: Its checkpoint.
        indices: Which pictures.
        threshold: Objects with a lower score are left out, and those in the place of one with a higher score.

    Returns:
        One scene a picture.
    """
    with DefaultScope.overwrite_default_scope(config.default_scope):
        model = MODELS.build(config.model)
        load_strictly(model, weights_of(read_checkpoint(checkpoint), str(checkpoint)), type(model).__name__)
        dataset = DATASETS.build(config.val_dataloader.dataset)
        items = [dataset[index] for index in indices]
        for item in items:  # predictions are to stay in the frame of the image that the model sees
            size = item['data_samples'].metainfo['img_shape'][:2]
            item['data_samples'].set_metainfo(dict(ori_shape=size, scale_factor=(1.0, 1.0)))
        images = [item['inputs'].permute(1, 2, 0).numpy()[..., ::-1] for item in items]  # (3, H, W), BGR
        with torch.no_grad():
            samples = model.eval().test_step(pseudo_collate(items))
    return [Scene(image, *_truth_and_prediction(sample, threshold)) for image, sample in zip(images, samples)]


def judge(truth: Instances, seen: Instances) -> tuple[list[str], list[int]]:
    """Compares what a model saw with the truth, the surest object first; each true object is found once.

    Args:
        truth: The objects.
        seen: What the model saw.

    Returns:
        For each object that was seen, ``'right'``, ``'wrong class'`` or ``'nothing there'``, and the numbers of the
        true objects that were missed: in whose place nothing was seen.
    """
    overlaps = box_iou(*(torch.as_tensor(boxes, dtype=torch.float).reshape(-1, 4)
                         for boxes in (seen.boxes, truth.boxes))).numpy()  # (seen, true)
    verdicts, missed = ['nothing there'] * len(seen.boxes), list(range(len(truth.boxes)))
    for number in np.argsort(-seen.scores, kind='stable'):
        place = max(missed, key=lambda other: overlaps[number, other], default=None)
        if place is not None and overlaps[number, place] >= SAME_PLACE:
            verdicts[number] = 'right' if seen.labels[number] == truth.labels[place] else 'wrong class'
            missed.remove(place)
    return verdicts, missed


def mean_iou(truth: np.ndarray, seen: np.ndarray) -> float:
    """The mean intersection over union, in percent, of the classes that a picture has or was seen to have."""
    classes = np.union1d(truth, seen)
    return 100 * float(np.mean([((truth == c) & (seen == c)).sum() / ((truth == c) | (seen == c)).sum()
                                for c in classes]))


def _truth_and_prediction(sample: BaseDataElement, threshold: float) -> tuple:
    if 'gt_sem_seg' in sample:
        return tuple(part.data[0].cpu().numpy() for part in (sample.gt_sem_seg, sample.pred_sem_seg))
    truth, seen = sample.gt_instances, sample.pred_instances
    seen = seen[seen.scores >= threshold]
    seen = seen[nms(seen.bboxes, seen.scores, SAME_PLACE)].numpy()  # of all classes together
    boxes = getattr(truth.bboxes, 'tensor', truth.bboxes).numpy()
    return (Instances(boxes, truth.masks.masks.astype(bool), truth.labels.numpy(), np.ones(len(boxes))),
            Instances(seen.bboxes, seen.masks.astype(bool), seen.labels, seen.scores))
