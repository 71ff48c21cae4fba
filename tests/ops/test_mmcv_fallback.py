"""The stand-in for mmcv's compiled ops, alone and inside detectors and segmentors."""
import subprocess
import sys
from importlib import import_module
from types import ModuleType

import mmkd  # noqa: F401  (before mmdet: supplies mmcv's ops where they are not compiled)
import pytest
import torch
from mmengine.hub import get_config
from mmengine.optim import OptimWrapper
from mmengine.registry import MODELS, DefaultScope
from torch import nn

from mmkd.ops import mmcv_fallback
from mmkd.ops.mmcv_fallback import MMCVFallback, install_mmcv_fallback
from mmkd.utils import UserError


@pytest.fixture
def with_fallback(monkeypatch):
    """``mmcv.ops`` on top of the fallback, also where mmcv has compiled ops."""
    fallback = MMCVFallback()
    for name in ('nms', 'roi_align'):
        monkeypatch.setattr(import_module(f'mmcv.ops.{name}'), 'ext_module', fallback)
    return import_module('mmcv.ops')


def plain_nms(boxes, scores, threshold, offset):
    kept = []
    for i in scores.argsort(descending=True).tolist():
        x1, y1, x2, y2 = boxes[i].tolist()
        for k in kept:
            u1, v1, u2, v2 = boxes[k].tolist()
            overlap = max(min(x2, u2) - max(x1, u1) + offset, 0) * max(min(y2, v2) - max(y1, v1) + offset, 0)
            areas = (x2 - x1 + offset) * (y2 - y1 + offset) + (u2 - u1 + offset) * (v2 - v1 + offset)
            if overlap / (areas - overlap) > threshold:
                break
        else:
            kept.append(i)
    return kept


@pytest.mark.parametrize('offset', [0, 1])
def test_nms_equals_plain_loop(with_fallback, offset):
    torch.manual_seed(0)
    corners = torch.rand(60, 2) * 8
    boxes = torch.cat([corners, corners + 1 + torch.rand(60, 2) * 6], dim=1)
    scores = torch.rand(60)
    dets, kept = with_fallback.nms(boxes, scores, 0.4, offset=offset)
    expected = plain_nms(boxes, scores, 0.4, offset)
    assert 5 < len(expected) < 60
    assert kept.tolist() == expected
    assert torch.equal(dets, torch.cat([boxes, scores[:, None]], dim=1)[expected])


def test_nms_offset_counts_the_last_pixel(with_fallback):
    boxes = torch.tensor([[0., 0., 1., 1.], [1., 0., 2., 1.]])  # touch at 0; at 1 they share 2 of 6 pixels
    scores = torch.tensor([0.9, 0.8])
    assert len(with_fallback.nms(boxes, scores, 0.3, offset=0)[1]) == 2
    assert len(with_fallback.nms(boxes, scores, 0.3, offset=1)[1]) == 1


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_nms_takes_reduced_precision(with_fallback, dtype):
    boxes = torch.tensor([[0, 0, 4, 4], [0, 0, 4, 4], [8, 8, 9, 9]], dtype=dtype)
    assert with_fallback.nms(boxes, torch.tensor([1, 2, 3], dtype=dtype), 0.5)[1].tolist() == [2, 1]


def test_nms_of_no_boxes(with_fallback):
    assert with_fallback.nms(torch.zeros(0, 4), torch.zeros(0), 0.5)[1].tolist() == []


def plain_roi_align(maps, rois, size, scale, ratio, aligned):
    """Means of ``ratio`` times ``ratio`` bilinear samples a bin; rois lie well inside the map."""
    out = maps.new_zeros(len(rois), maps.shape[1], size, size)
    for n, (index, *corners) in enumerate(rois.tolist()):
        x1, y1, x2, y2 = (corner * scale - (0.5 if aligned else 0) for corner in corners)
        steps = (torch.arange(size * ratio, dtype=maps.dtype) + 0.5) / ratio
        ys, xs = y1 + steps * (y2 - y1) / size, x1 + steps * (x2 - x1) / size
        top, left = ys.floor().long(), xs.floor().long()
        dy, dx = (ys - top)[:, None], (xs - left)[None]
        image = maps[int(index)]
        samples = (image[:, top][:, :, left] * (1 - dy) * (1 - dx) + image[:, top][:, :, left + 1] * (1 - dy) * dx
                   + image[:, top + 1][:, :, left] * dy * (1 - dx) + image[:, top + 1][:, :, left + 1] * dy * dx)
        out[n] = nn.functional.avg_pool2d(samples, ratio)
    return out


ROIS = [[0, 3., 4., 17., 15.], [1, 6., 5., 9.5, 21.], [1, 2.2, 3.3, 20., 20.]]


@pytest.mark.parametrize('aligned', [True, False])
def test_roi_align_equals_plain_loop(with_fallback, aligned):
    torch.manual_seed(0)
    maps = torch.randn(2, 3, 12, 12, dtype=torch.float64)
    rois = torch.tensor(ROIS, dtype=torch.float64)
    pooled = with_fallback.roi_align(maps, rois, (3, 3), 0.5, 2, 'avg', aligned)
    torch.testing.assert_close(pooled, plain_roi_align(maps, rois, 3, 0.5, 2, aligned))


@pytest.mark.parametrize('sampling_ratio', [0, 2])
def test_roi_align_gradient(with_fallback, sampling_ratio):
    torch.manual_seed(0)
    maps = torch.randn(2, 2, 6, 6, dtype=torch.float64, requires_grad=True)
    rois = torch.tensor(ROIS, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: with_fallback.roi_align(x, rois, (2, 3), 0.25, sampling_ratio), maps)


def test_roi_align_takes_bfloat16(with_fallback):
    maps = torch.ones(2, 2, 12, 12, dtype=torch.bfloat16, requires_grad=True)
    pooled = with_fallback.roi_align(maps, torch.tensor(ROIS).bfloat16(), (2, 2), 0.5, 2)
    pooled.sum().backward()
    assert pooled.dtype == maps.grad.dtype == torch.bfloat16
    assert torch.equal(pooled, torch.ones_like(pooled))


def test_max_pooling_raises_clearly(with_fallback):
    with pytest.raises(UserError, match=r"roi_align expects pool_mode 'avg'.*got 'max'\. Install an mmcv"):
        with_fallback.roi_align(torch.ones(1, 1, 4, 4), torch.tensor([[0., 0., 0., 2., 2.]]), (2, 2), 1., 2, 'max')


def test_other_op_raises_when_called():
    op = MMCVFallback().softnms
    with pytest.raises(UserError, match=r'^mmcv op softnms expects compiled ops.*Install an mmcv') as error:
        op(1, key=2)
    assert '\n' not in str(error.value)
    assert not hasattr(MMCVFallback(), '__path__')


def test_loaded_extension_is_left_alone(monkeypatch):
    real = ModuleType('mmcv._ext')
    monkeypatch.setitem(sys.modules, 'mmcv._ext', real)
    assert not install_mmcv_fallback()
    assert sys.modules['mmcv._ext'] is real


def import_with_extension(tmp_path, source):
    """Imports mmkd in a new process where mmcv is a fake one with this ``_ext``, and says what became of it."""
    package = tmp_path / 'mmcv'
    package.mkdir()
    (package / '__init__.py').write_text('')
    (package / '_ext.py').write_text(source)
    root = str(mmcv_fallback.__file__).removesuffix('mmkd/ops/mmcv_fallback.py')
    code = (f'import sys; sys.path[:0] = {[str(tmp_path), root]!r}; import mmkd, mmcv._ext as ext;'
            'print(type(ext).__name__)')
    return subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, timeout=120)


def test_working_extension_is_left_alone(tmp_path):
    result = import_with_extension(tmp_path, 'nms = 1')
    assert (result.stdout.strip(), result.stderr) == ('module', '')


def test_broken_extension_is_replaced_with_a_warning(tmp_path):
    result = import_with_extension(tmp_path, "raise ImportError('undefined symbol: _ZN2at')")
    assert result.stdout.strip() == 'MMCVFallback', result.stderr
    assert "mmcv's compiled ops cannot be loaded" in result.stderr
    assert 'undefined symbol: _ZN2at' in result.stderr


def train_one_step(model, data):
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    logs = model.train_step(data, OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.01)))
    assert torch.isfinite(logs['loss']), logs
    changed = [name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])]
    assert any(name.startswith('backbone.') for name in changed)


def shrink(model, backbone_width=8, width=16):
    """Makes a ResNet-50 model of mmdet's or mmseg's a ResNet-18 with few channels."""
    model.backbone.update(depth=18, base_channels=backbone_width, stem_channels=backbone_width, init_cfg=None)
    model.backbone.pop('pretrained', None)
    channels = [backbone_width * factor for factor in (1, 2, 4, 8)]
    if 'neck' in model:
        model.neck.update(in_channels=channels, out_channels=width)
        model.rpn_head.update(in_channels=width, feat_channels=width)
    return channels


def detector_config(name):
    model = get_config(f'mmdet::_base_/models/{name}.py').model
    shrink(model)
    head = model.roi_head
    head.bbox_roi_extractor.out_channels = head.mask_roi_extractor.out_channels = 16
    for bbox_head in head.bbox_head if isinstance(head.bbox_head, list) else [head.bbox_head]:
        bbox_head.update(in_channels=16, fc_out_channels=32, num_classes=3)
    head.mask_head.update(num_convs=1, in_channels=16, conv_out_channels=16, num_classes=3)
    for proposals in (model.train_cfg.rpn_proposal, model.test_cfg.rpn):
        proposals.update(nms_pre=200, max_per_img=100)
    model.test_cfg.rcnn.update(score_thr=0., max_per_img=10)
    return model


@pytest.mark.parametrize('name', ['mask-rcnn_r50_fpn', 'cascade-mask-rcnn_r50_fpn'])
def test_detector_trains_and_predicts(name):
    from mmdet.testing import demo_mm_inputs
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(detector_config(name))
        data = demo_mm_inputs(2, [[3, 64, 64], [3, 64, 96]], num_classes=3, with_mask=True)
        train_one_step(model, data)
        model.eval()
        predictions = model.test_step(data)
    assert len(predictions) == 2
    found = predictions[0].pred_instances
    assert len(found) > 0
    assert found.bboxes.shape == (len(found), 4)
    assert found.masks.shape[0] == len(found)


def test_upernet_trains_and_predicts():
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmseg'):
        model = get_config('mmseg::_base_/models/upernet_r50.py').model
        channels = shrink(model)
        model.pretrained = None
        model.data_preprocessor.size = (64, 64)
        model.backbone.norm_cfg = model.decode_head.norm_cfg = model.auxiliary_head.norm_cfg = dict(type='BN')
        model.decode_head.update(in_channels=channels, channels=16, num_classes=4)
        model.auxiliary_head.update(in_channels=channels[2], channels=16, num_classes=4)
        model = MODELS.build(model)
        samples = [SegDataSample(metainfo=dict(img_shape=(64, 64), ori_shape=(64, 64), pad_shape=(64, 64)),
                                 gt_sem_seg=PixelData(data=torch.randint(4, (1, 64, 64)))) for _ in range(2)]
        data = dict(inputs=[torch.randint(256, (3, 64, 64)) for _ in range(2)], data_samples=samples)
        train_one_step(model, data)
        model.eval()
        predictions = model.test_step(data)
    assert predictions[0].pred_sem_seg.data.shape == (1, 64, 64)
