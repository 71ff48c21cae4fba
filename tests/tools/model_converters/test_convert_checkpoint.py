"""Converting a published checkpoint from the command line."""
import torch
from mmpretrain.models import ImageClassifier

from mmkd.utils.checkpoints.reading import load_strictly, read_checkpoint

from ..conftest import call

TOOL = 'model_converters/convert_checkpoint.py'


def published() -> tuple[ImageClassifier, dict[str, torch.Tensor]]:
    """A ConvNeXt of mmpretrain's and its weights as the authors name them."""
    model = ImageClassifier(
        backbone=dict(type='ConvNeXt', arch=dict(depths=(1, 1, 1, 1), channels=(4, 6, 8, 10))),
        head=dict(type='LinearClsHead', in_channels=10, num_classes=7))
    names = {'backbone.norm3': 'norm', 'backbone.': '', 'head.fc': 'head', 'depthwise_conv': 'dwconv',
             'pointwise_conv': 'pwconv'}
    weights = {}
    for name, value in model.state_dict().items():
        for ours, theirs in names.items():
            name = name.replace(ours, theirs)
        weights[name] = value
    return model, weights


def test_converts_and_tells_the_settings(tmp_path, capsys):
    model, weights = published()
    torch.save(dict(model=weights), tmp_path / 'theirs.pth')
    assert call(TOOL, 'theirs.pth', 'out/ours.pth', cwd=tmp_path) == 0
    out = capsys.readouterr().out
    assert 'tensors of convnext' in out and 'channels: (4, 6, 8, 10)' in out and 'kernel_sizes: (7, 7, 7, 7)' in out
    load_strictly(model, read_checkpoint(tmp_path / 'out/ours.pth')['state_dict'], 'ConvNeXt')
    assert call(TOOL, 'theirs.pth', 'out/ours.pth', cwd=tmp_path) == 2
    assert 'which exists. Name another one or pass --force' in capsys.readouterr().err
    assert call(TOOL, 'theirs.pth', 'out/ours.pth', '--force', cwd=tmp_path) == 0


def test_unknown_format(tmp_path, capsys):
    torch.save(dict(state_dict={'neck.weight': torch.ones(1)}), tmp_path / 'other.pth')
    assert call(TOOL, 'other.pth', 'ours.pth', cwd=tmp_path) == 2
    said = capsys.readouterr().err
    assert 'convnext, cswin, efficientnet_lite, resnet, slak, vit, got other.pth with names such as neck.weight' in said
