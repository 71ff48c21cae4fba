"""Label maps of segmentors, and boxes of detectors, as the terms hand them on."""
import torch
from mmengine.structures import InstanceData, PixelData
from torch import Tensor


def segmented(labels: Tensor) -> list:
    """Samples of mmseg with the label maps (N, H, W)."""
    from mmseg.structures import SegDataSample
    return [SegDataSample(gt_sem_seg=PixelData(data=each[None])) for each in labels]


def with_boxes(*boxes: list, size: tuple[int, int] = (16, 16), dtype: torch.dtype = torch.float64) -> list:
    """Samples of mmdet, one a list of boxes; ``size`` is that of the padded images."""
    from mmdet.structures import DetDataSample
    return [DetDataSample(metainfo=dict(batch_input_shape=size, img_shape=(size[0] // 2, size[1])),
                          gt_instances=InstanceData(bboxes=torch.tensor(each, dtype=dtype).reshape(-1, 4)))
            for each in boxes]
