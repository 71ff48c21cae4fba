"""Each family of backbones as ONNX beside PyTorch; ``-rP`` prints the rows of the table in docs/export.md."""
import pytest

from mmkd.export.comparing import LIMIT
from mmkd.export.exporting import export
from mmkd.export.formats import BATCH, SIZE

from .models import network_of, smooth_pictures

ISOTROPIC = [f'convnest/convnest-iso-{arch}_{schedule}_in1k.py' for arch, schedule in (
    ('atto', '32xb128'), ('femto', '32xb128'), ('pico', '32xb128'), ('nano', '32xb128'), ('tiny', '32xb128'),
    ('small', '64xb64'), ('base', '128xb32'))]
CONVNETS = [
    'mobilenet-v2', *(f'convnest-{arch}' for arch in ('atto', 'femto', 'pico', 'nano', 'tiny', 'small', 'base')),
    *ISOTROPIC, 'slak-tiny', 'slak-small', 'slak-base', 'slak-large', 'convnext-atto', 'convnext-tiny',
    'convnext-v2-tiny', 'convnext-iso-atto', 'resnet18', 'resnet50', 'resnet8x4_cifar', 'mobilenet-v1',
    'mobilenet-v3-large', 'repvit-m2-3']
# They have positions for one size, or compute with the sizes themselves.
OTHERS = ['cswin-tiny', 'swin-tiny', 'vit-tiny-p16', 'deit-tiny', 'mixer-small-p16']
QUICK = {'convnest-atto', 'resnet8x4_cifar', 'mobilenet-v2'}


def rows() -> list:
    return [pytest.param(name, id=name.rpartition('/')[2].partition('_')[0],
                         marks=() if name in QUICK else pytest.mark.slow) for name in [*CONVNETS, *OTHERS]]


@pytest.mark.parametrize('name', rows())
def test_onnx_computes_what_pytorch_does(name, request):
    large = name == 'slak-large'
    options = {'model.backbone.arch': 'large', 'model.head.in_channels': 1996} if large else None
    network, fixed = network_of('slak-base' if large else name, options)
    side = 224 if name.startswith('swin') else 32  # its windows are wider than the maps of small pictures
    pictures = smooth_pictures(4, fixed or (side, side))
    result = export(network, 'onnx', pictures, {}, 18, fixed is not None)
    assert result.difference.relative <= LIMIT and result.difference.absolute > 0
    assert result.difference.agreement == 1
    assert BATCH in result.free
    assert SIZE in result.free or name in OTHERS
    print(f'| {request.node.callspec.id} | {"x".join(map(str, pictures.shape[2:]))} | {" and ".join(result.free)} '
          f'| {result.difference.relative:.1e} |')
