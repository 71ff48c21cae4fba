"""What a model of the OpenMMLab family computes for one image, without data."""
from collections.abc import Iterable

from torch import Tensor, nn

from mmkd.utils import UserError

_SHAPES = {'mmdet': (3, 800, 1280), 'mmseg': (3, 512, 2048)}


def paper_shape(model: nn.Module) -> tuple[int, int, int]:
    """The image for which the papers print FLOPs.

    Args:
        model: A classifier, a detector of mmdet or a segmentor of mmseg.

    Returns:
        Channels, height and width: 1280×800 for a detector, 2048×512 for a segmentor (width × height, as the papers
        write it), 224×224 for others, or the size that the backbone is built for.
    """
    package = _package(model)
    if package in _SHAPES:
        return _SHAPES[package]
    size = getattr(getattr(model, 'backbone', None), 'img_size', 224)
    height, width = size if isinstance(size, tuple | list) else (size, size)
    return 3, height, width


def forward_image(model: nn.Module, image: Tensor) -> None:
    """Runs a model as at inference on one image, up to the raw outputs of its heads.

    Of a two-stage detector, backbone, neck and region proposal network run on the image, the box heads on as many
    proposals as ``test_cfg.rcnn`` gets (``test_cfg.rpn.max_per_img``, usually 1000) and the mask heads on as many
    boxes as it keeps (``test_cfg.rcnn.max_per_img``, usually 100); each stage of a cascade likewise. This is the
    convention of mmdet 2, by which the figures of ConvNeXt and ConvNeSt come out. (In tensor mode, mmdet 3 runs a
    cascade's mask heads on all proposals.) The features of the boxes are zeros of the right shape, so that the
    figures do not depend on what a network without training proposes.

    Args:
        model: A classifier, a detector of mmdet or a segmentor of mmseg.
        image: (1, C, H, W), on the model's device.

    Raises:
        UserError: The detector has parts whose inputs are not known here.
    """
    if _package(model) != 'mmdet':
        model(image)
    elif hasattr(model, 'roi_head'):
        _forward_two_stage(model, image)
    else:
        from mmdet.structures import DetDataSample
        size = tuple(image.shape[2:])
        sample = DetDataSample(metainfo=dict(
            img_shape=size, ori_shape=size, pad_shape=size, batch_input_shape=size, scale_factor=(1., 1.)))
        model(image, [sample], mode='tensor')


def _package(model: nn.Module) -> str | None:
    packages = {cls.__module__.partition('.')[0] for cls in type(model).__mro__}
    return next((package for package in _SHAPES if package in packages), None)


def _forward_two_stage(model: nn.Module, image: Tensor) -> None:
    head = model.roi_head
    _expect_parts(model, {'data_preprocessor', 'backbone', 'neck', 'rpn_head', 'roi_head'})
    _expect_parts(head, {
        'bbox_roi_extractor', 'bbox_head', 'mask_roi_extractor', 'mask_head', 'shared_head'})
    features = model.extract_feat(image)
    if model.with_rpn:
        model.rpn_head(features)
    counts = dict(bbox=model.test_cfg.get('rpn', {}).get('max_per_img', 1000), mask=model.test_cfg.rcnn.max_per_img)
    for kind, count in counts.items():
        if not getattr(head, f'with_{kind}'):
            continue
        extractors, heads = _stages(getattr(head, f'{kind}_roi_extractor')), _stages(getattr(head, f'{kind}_head'))
        for extractor, stage in zip(extractors, heads, strict=True):
            _expect_parts(extractor, {'roi_layers'})
            size = extractor.roi_layers[0].output_size
            height, width = size if isinstance(size, tuple) else (size, size)
            boxes = image.new_zeros(count, extractor.out_channels, height, width)
            stage(head.shared_head(boxes) if head.with_shared_head else boxes)


def _stages(part: nn.Module) -> Iterable[nn.Module]:
    return part if isinstance(part, nn.ModuleList) else [part]


def _expect_parts(module: nn.Module, known: set[str]) -> None:
    extra = {name for name, _ in module.named_children()} - known
    if extra:
        raise UserError(f'counting a {type(module).__name__} expects no parts but {", ".join(sorted(known))}, got '
                        f'also {", ".join(sorted(extra))}. Count it with mmdet\'s tools/analysis_tools/get_flops.py.')
