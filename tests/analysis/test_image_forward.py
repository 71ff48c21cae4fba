"""Detectors and segmentors are counted as the papers do."""
from collections import Counter
from pathlib import Path

import pytest
from mmengine.registry import MODELS, init_default_scope
from torch import nn

from mmkd.analysis import count_complexity, count_layers, paper_shape, published_complexity
from mmkd.utils import UserError
from mmkd.utils.configs.finding import load_config

CONFIGS = Path(__file__).parents[2] / 'configs'
SIZE = 64, 96
P1, P2, P3, P4 = 16 * 24, 8 * 12, 4 * 6, 2 * 3  # positions at strides 4 to 32


def build(name: str) -> tuple[nn.Module, dict]:
    """The model of a config, and its config."""
    pytest.importorskip('mmdet' if 'rcnn' in name or name.startswith('mmdet') else 'mmseg')
    pytest.importorskip('mmpretrain')
    config = load_config(name if '::' in name else CONFIGS / name)
    init_default_scope(config.get('default_scope', 'mmdet'))
    return MODELS.build(config.model), config.model


def total(*layers: tuple[int, int, int]) -> tuple[int, int]:
    """FLOPs and activations of layers, each given as positions, inputs of an output, and outputs at a position."""
    return sum(n * fan_in * out for n, fan_in, out in layers), sum(n * out for n, _, out in layers)


# stem; then linear, depthwise 7x7 and linear in each stage, and 2x2 convolutions between
BACKBONE = [
    (P1, 3 * 16, 16),
    (P1, 16, 192), (P1, 49, 192), (P1, 192, 16), (P2, 16 * 4, 32),
    (P2, 32, 384), (P2, 49, 384), (P2, 384, 32), (P3, 32 * 4, 64),
    (P3, 64, 768), (P3, 49, 768), (P3, 768, 64)]
FPN = [(P1, 16, 48), (P2, 32, 48), (P3, 64, 48), *((p, 48 * 9, 48) for p in (P1, P2, P3))]
RPN = [layer for p in (P1, P2, P3, P4) for layer in ((p, 48 * 9, 48), (p, 48, 3), (p, 48, 12))]
BOXES = [(100, 48 * 49, 128), (100, 128, 128), (100, 128, 11), (100, 128, 4)]
MASKS = [(20 * 196, 48 * 9, 48), (20 * 196, 48 * 9, 48), (20 * 784, 48, 48), (20 * 784, 48, 1)]
UPER = [
    *((bins, 64, 48) for bins in (1, 4, 9, 36)), (P3, (64 + 4 * 48) * 9, 48), (P1, 16, 48), (P2, 32, 48),
    (P1, 48 * 9, 48), (P2, 48 * 9, 48), (P1, 3 * 48 * 9, 48), (P1, 48, 11)]


def by_part(counts: Counter[str]) -> dict[str, int]:
    """Sums counts over the layers of each child of the model."""
    parts: Counter[str] = Counter()
    for name, count in counts.items():
        parts[name.partition('.')[0]] += count
    return dict(parts)


@pytest.mark.parametrize(('config', 'parts'), [
    ('quickstart/mask-rcnn_convnest-mini_digits.py',
     dict(backbone=BACKBONE, neck=FPN, rpn_head=RPN, roi_head=BOXES + MASKS)),
    ('quickstart/upernet_convnest-mini_digits.py', dict(backbone=BACKBONE, decode_head=UPER))])
def test_every_part_by_hand(config, parts):
    model, _ = build(config)
    counter = count_layers(model, (3, *SIZE))
    assert by_part(counter.flops) == {name: total(*layers)[0] for name, layers in parts.items()}
    assert by_part(counter.activations) == {name: total(*layers)[1] for name, layers in parts.items()}
    assert count_complexity(model, (3, *SIZE)).params == sum(param.numel() for param in model.parameters())


@pytest.mark.parametrize('config', [
    'cascade-mask-rcnn_convnest-tiny_fpn_3x_coco.py', 'upernet_convnest-tiny_160k_ade20k-512x512.py'])
def test_agrees_with_the_paper_once_outputs_count(config):
    model, cfg = build(f'convnest/{config}')
    cost, paper = count_complexity(model, paper_shape(model)), published_complexity(cfg, paper_shape(model))
    assert f'{(cost.flops + cost.activations) / 1e9:.0f}' == paper.flops
    assert paper.params in ('-', f'{cost.params / 1e6:.0f}')


def test_one_stage_detector():
    model, _ = build('mmdet::_base_/models/retinanet_r50_fpn.py')
    flops = count_layers(model, (3, *SIZE)).flops
    positions = P2 + P3 + P4 + 1 * 2 + 1 * 1
    assert flops['bbox_head.retina_cls.weight'] == 256 * 9 * 9 * 80 * positions


class Classifier(nn.Module):
    """Has a backbone that is built for a size."""

    def __init__(self, img_size: object) -> None:
        super().__init__()
        self.backbone = nn.Identity()
        if img_size:
            self.backbone.img_size = img_size


def test_paper_shape():
    assert paper_shape(build('quickstart/mask-rcnn_convnest-mini_digits.py')[0]) == (3, 800, 1280)
    assert paper_shape(build('quickstart/upernet_convnest-mini_digits.py')[0]) == (3, 512, 2048)
    assert [paper_shape(Classifier(size)) for size in (None, 336, (196, 224))] == [
        (3, 224, 224), (3, 336, 336), (3, 196, 224)]
    assert paper_shape(nn.Linear(1, 1)) == (3, 224, 224)


def test_unknown_parts_are_named():
    model, _ = build('quickstart/mask-rcnn_convnest-mini_digits.py')
    model.roi_head.semantic_head = nn.Linear(1, 1)
    with pytest.raises(UserError, match=r'a StandardRoIHead expects no parts but .*, got also semantic_head'):
        count_complexity(model, (3, *SIZE))
