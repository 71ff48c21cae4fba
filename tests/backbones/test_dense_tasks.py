"""Every backbone of ours in mmdet's Mask R-CNN and mmseg's UperNet: odd sizes, checkpointing, one training step."""
import mmkd  # noqa: F401  (before mmdet: supplies mmcv's ops where they are not compiled)
import pytest
import torch
from mmengine.hub import get_config
from mmengine.registry import MODELS, DefaultScope
from mmengine.structures import PixelData

from tests.ops.test_mmcv_fallback import detector_config, train_one_step

CHANNELS = [8, 16, 32, 64]
ARCH = dict(depths=(1, 1, 2, 1), channels=CHANNELS)
BACKBONES = {
    'ConvNeSt': dict(type='mmkd.ConvNeSt', arch=ARCH, expansion_ratio=4),
    'SLaK': dict(type='mmkd.SLaK', arch=ARCH, width_factor=1.),
    'SLaK-whole': dict(type='mmkd.SLaK', arch=ARCH, width_factor=1., kernel_sizes=(13, 11, 9, 7), decomposed=False),
    'CSWin': dict(type='mmkd.CSWinTransformer', arch=ARCH | dict(heads=(2, 2, 4, 4))),
}


def backbone(name: str, with_cp: bool) -> dict:
    return BACKBONES[name] | dict(out_indices=(0, 1, 2, 3), gap_before_final_norm=False, with_cp=with_cp,
                                  drop_path_rate=.2)


@pytest.mark.parametrize('with_cp', [False, True])
@pytest.mark.parametrize('name', BACKBONES)
def test_mask_rcnn(name, with_cp):
    from mmdet.testing import demo_mm_inputs
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmdet'):
        config = detector_config('mask-rcnn_r50_fpn')
        config.backbone = backbone(name, with_cp)
        config.neck.in_channels = CHANNELS
        config.data_preprocessor.pad_size_divisor = 1  # maps of odd sizes reach the backbone
        model = MODELS.build(config)
        data = demo_mm_inputs(2, [[3, 67, 93], [3, 67, 93]], num_classes=3, with_mask=True)
        train_one_step(model, data)
        model.eval()
        predictions = model.test_step(data)
    assert len(predictions) == 2


@pytest.mark.parametrize('with_cp', [False, True])
@pytest.mark.parametrize('name', BACKBONES)
def test_upernet(name, with_cp):
    from mmseg.structures import SegDataSample
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmseg'):
        config = get_config('mmseg::_base_/models/upernet_convnext.py').model
        config.backbone = backbone(name, with_cp)
        config.data_preprocessor.size = (71, 90)
        norm = dict(type='BN')
        config.decode_head.update(in_channels=CHANNELS, channels=16, num_classes=4, norm_cfg=norm)
        config.auxiliary_head.update(in_channels=CHANNELS[2], channels=16, num_classes=4, norm_cfg=norm)
        config.test_cfg = dict(mode='whole')
        model = MODELS.build(config)
        shape = (71, 90)
        samples = [SegDataSample(metainfo=dict(img_shape=shape, ori_shape=shape, pad_shape=shape),
                                 gt_sem_seg=PixelData(data=torch.randint(4, (1, *shape)))) for _ in range(2)]
        data = dict(inputs=[torch.randint(256, (3, *shape)) for _ in range(2)], data_samples=samples)
        train_one_step(model, data)
        model.eval()
        predictions = model.test_step(data)
    assert predictions[0].pred_sem_seg.data.shape == (1, *shape)
