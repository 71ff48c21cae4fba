"""The checkpoints that detection and segmentation recipes name are those of their backbones: every tensor.

All are built whole, but without memory for weights (on PyTorch's meta device).
"""
import re
from functools import cache
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope

from mmkd.distillers.models import build_model, read_spec
from mmkd.recipes.weightless import pretrained_inits, strip_weights
from mmkd.utils.configs.finding import config_root
from mmkd.zoo import model_index
from mmkd.zoo.pretrained import load_backbone

from .test_model_fragments import WeightsOnMeta

FAMILIES = ('convnest', 'vanilla_kd', 'scale_kd', 'slak', 'quickstart', 'large_kernel_kd')


def dense_configs(family: str) -> list[Path]:
    names = ('mask-rcnn_*.py', 'cascade-mask-rcnn_*.py', 'upernet_*.py')
    return sorted(path for name in names for path in (config_root() / family).rglob(name))


def source(checkpoint: str) -> Path:
    """The config of the classifier that a checkpoint comes from."""
    root = config_root()
    if checkpoint in model_index():
        return root.parent / model_index()[checkpoint]['Config']
    if checkpoint.startswith('work_dirs/quickstart/'):
        return root / 'quickstart/convnest-mini_digits-5shot.py'
    if checkpoint.startswith('work_dirs/'):
        (found, ) = root.rglob(f'{Path(checkpoint).parent.name}.py')
        return found
    return root / '_base_/models' / f'{checkpoint.removesuffix("_in1k")}.py'


@cache
def used(family: str) -> dict[str, tuple[str, dict, str]]:
    """Every pair of a backbone and a checkpoint once: scope, backbone and checkpoint by the first recipe's name."""
    found, seen = {}, []
    for path in dense_configs(family):
        config = Config.fromfile(path)
        backbone = config.model.get('backbone') or {}
        inits = [init for init in pretrained_inits(backbone) if init.get('prefix')]
        if inits:
            stripped = strip_weights(backbone.to_dict())
            pair = (config.get('default_scope', 'mmdet'), stripped, inits[0]['checkpoint'])
            if pair not in seen:
                seen.append(pair)
                found[path.stem] = pair
    return found


@pytest.mark.parametrize('family', FAMILIES)
def test_every_tensor_fits(family):
    for name, (scope, cfg, checkpoint) in used(family).items():
        check(name, scope, cfg, checkpoint)


def check(name: str, scope: str, cfg: dict, checkpoint: str) -> None:
    """Builds a backbone and the classifier of its checkpoint and matches their tensors."""
    with WeightsOnMeta():
        model = build_model(read_spec(dict(config=str(source(checkpoint))), 'student'), 'student')
        with DefaultScope.overwrite_default_scope(scope):
            backbone = MODELS.build(cfg)
    weights = {key: value.to('meta') for key, value in model.backbone.state_dict().items()}
    report = load_backbone(backbone.to('meta'), weights, name)
    counts = re.fullmatch(rf'{name}: (\d+) of \1 tensors matched', report)
    assert counts and int(counts[1]) >= len([key for key in weights if not key.startswith('norm')]) > 10


def test_all_families_are_covered():
    checkpoints = {checkpoint for family in FAMILIES for _, _, checkpoint in used(family).values()}
    assert {'convnest-tiny_in1k', 'resnet50_vanilla-kd_in1k', 'convnext-v2-tiny_vanilla-kd_in1k', 'slak-tiny_in1k',
            'work_dirs/swin-tiny_swin-large-scalekd_32xb32-300e_in1k/student.pth',
            'work_dirs/vit-base-p16_swin-large-scalekd_32xb32-300e_in1k/student.pth'} <= checkpoints
