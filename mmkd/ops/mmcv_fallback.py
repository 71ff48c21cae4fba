"""Stands in for mmcv's compiled ops, which are on no Python index.

mmcv loads all its ops from the extension module ``mmcv._ext`` when ``mmcv.ops`` is imported; without it neither
``mmdet.models`` nor ``mmseg.models`` can be imported. Here a module of that name gives mmcv the few ops that Mask
R-CNN, Cascade Mask R-CNN and UperNet call, backed by torchvision's, which agree with the compiled ones to the
last bit, gradients included. Every other op can be imported, and raises when it is called.
"""
import sys
import warnings
from collections.abc import Callable
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any

from mmkd.utils.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

EXTENSION = 'mmcv._ext'
REMEDY = 'Install an mmcv with compiled ops: build onedl-mmcv, or mmcv 2.1 for the original stack, from source.'


class MMCVFallback(ModuleType):
    """The module that takes the place of ``mmcv._ext``."""

    def __init__(self) -> None:
        super().__init__(EXTENSION, __doc__)
        self.__spec__ = ModuleSpec(EXTENSION, None, origin=__file__)
        for op in (nms, roi_align_forward, roi_align_backward, get_compiler_version, get_compiling_cuda_version):
            setattr(self, op.__name__, op)

    def __getattr__(self, name: str) -> Callable:
        if name.startswith('__'):
            raise AttributeError(f'module {EXTENSION!r} has no attribute {name!r}')

        def missing_op(*args: Any, **kwargs: Any) -> None:
            raise UserError(f'mmcv op {name} expects compiled ops, which this mmcv lacks. {REMEDY}')

        missing_op.__name__ = name
        return missing_op


def install_mmcv_fallback() -> bool:
    """Puts :class:`MMCVFallback` in place if mmcv is installed and its compiled ops are not usable.

    Returns:
        Whether the fallback is in place.
    """
    loaded = sys.modules.get(EXTENSION)
    if loaded is not None:
        return isinstance(loaded, MMCVFallback)
    mmcv = find_spec('mmcv')
    if mmcv is None:
        return False
    # PathFinder and not find_spec('mmcv._ext'), which would import mmcv and with it torch.
    if PathFinder.find_spec(EXTENSION, mmcv.submodule_search_locations) is not None and _extension_loads():
        return False
    sys.modules[EXTENSION] = MMCVFallback()
    return True


def _extension_loads() -> bool:
    try:
        import_module('mmcv')
        import_module(EXTENSION)
    except ImportError as error:
        warnings.warn(f"mmcv's compiled ops cannot be loaded and are replaced by torchvision's where mmkd knows how. "
                      f'They were probably built for another torch: {error}', stacklevel=3)
        return False
    return True


def nms(boxes: 'Tensor', scores: 'Tensor', iou_threshold: float, offset: int = 0) -> 'Tensor':
    """Suppresses boxes that overlap a better one.

    Args:
        boxes: Corners x1, y1, x2, y2.
        scores: Their scores.
        iou_threshold: Boxes of a larger IoU are suppressed.
        offset: 0, or 1 where a box of one pixel has x1 = x2.

    Shapes: boxes (N, 4), scores (N,). Returns the indices (K,) of the boxes kept, best first.
    """
    import torch
    import torchvision
    if boxes.dtype not in (torch.float32, torch.float64):
        boxes = boxes.float()
    if offset:
        boxes = boxes + boxes.new_tensor([0, 0, offset, offset])
    return torchvision.ops.nms(boxes, scores.to(boxes.dtype), iou_threshold)


def roi_align_forward(input: 'Tensor', rois: 'Tensor', output: 'Tensor', argmax_y: 'Tensor', argmax_x: 'Tensor',
                      aligned_height: int, aligned_width: int, spatial_scale: float, sampling_ratio: int,
                      pool_mode: int, aligned: bool) -> None:
    """Pools regions into maps of one size, with mmcv's signature; writes ``output``.

    Shapes: input (N, C, H, W), rois (K, 5) as index, x1, y1, x2, y2, output (K, C, aligned_height, aligned_width).
    """
    import torch
    import torchvision  # noqa: F401  (registers torch.ops.torchvision)
    _check_pool_mode(pool_mode)
    input = _widen(input)
    with torch.no_grad():
        output.copy_(torch.ops.torchvision.roi_align(
            input, rois.to(input.dtype), spatial_scale, aligned_height, aligned_width, sampling_ratio, aligned))


def roi_align_backward(grad_output: 'Tensor', rois: 'Tensor', argmax_y: 'Tensor', argmax_x: 'Tensor',
                       grad_input: 'Tensor', aligned_height: int, aligned_width: int, spatial_scale: float,
                       sampling_ratio: int, pool_mode: int, aligned: bool) -> None:
    """The gradient of :func:`roi_align_forward`; adds to ``grad_input``.

    Shapes: grad_output (K, C, aligned_height, aligned_width), rois (K, 5), grad_input (N, C, H, W).
    """
    import torch
    import torchvision  # noqa: F401  (registers torch.ops.torchvision)
    _check_pool_mode(pool_mode)
    grad_output = _widen(grad_output)
    grad_input.add_(torch.ops.torchvision._roi_align_backward(
        grad_output, rois.to(grad_output.dtype), spatial_scale, aligned_height, aligned_width, *grad_input.shape,
        sampling_ratio, aligned))


def get_compiler_version() -> str:
    """What ``mmcv.utils.collect_env`` prints as the compiler of the ops."""
    return 'not compiled (mmkd backs nms and roi_align with torchvision)'


def get_compiling_cuda_version() -> str:
    """What ``mmcv.utils.collect_env`` prints as the CUDA version of the ops."""
    return 'not available'


def _widen(tensor: 'Tensor') -> 'Tensor':
    # torchvision's kernels know float16, 32 and 64, but not bfloat16.
    import torch
    return tensor.float() if tensor.dtype is torch.bfloat16 else tensor


def _check_pool_mode(pool_mode: int) -> None:
    if pool_mode != 1:
        raise UserError(f"mmcv op roi_align expects pool_mode 'avg' without compiled ops, got 'max'. {REMEDY}")
