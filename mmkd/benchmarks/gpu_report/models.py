"""Training SLaK-T and ConvNeSt-T beside ConvNeXt-T: images a second, and memory."""
from collections.abc import Callable, Iterator
from contextlib import nullcontext

import torch
from mmengine.registry import MODELS, init_default_scope
from torch import nn

from mmkd.ops import use_implementation
from mmkd.utils.configs.finding import load_config

from .settings import Settings, milliseconds, peak_gigabytes, tried

CONFIGS = {'ConvNeXt-T': 'mmpretrain::convnext/convnext-tiny_32xb128_in1k.py',
           'ConvNeSt-T': 'convnest/convnest-tiny_32xb128_in1k.py',
           'SLaK-T': 'slak/slak-tiny_32xb128_in1k.py'}
SMALL = {'ConvNeXt-T': {'model.backbone.arch': 'atto', 'model.head.in_channels': 320},  # to try the report itself
         'ConvNeSt-T': {'model.backbone.arch': 'atto', 'model.head.in_channels': 160},
         'SLaK-T': {'model.backbone.width_factor': 0.1, 'model.head.in_channels': 76}}


def measure_part(settings: Settings) -> Iterator[dict]:
    """One row a model, layout and way to run; images a second also as a share of ConvNeXt-T's, run the same way."""
    batch = 2 if settings.small else 64 if settings.quick else 128
    ways = [('eager', True), ('eager', False), ('compiled', True), ('eager, conv2d', True)]
    if settings.quick or settings.small:
        ways = ways[:2]
    reference = {}
    for run, channels_last in ways:
        for name in CONFIGS:
            if 'conv2d' in run and name == 'ConvNeXt-T':
                continue
            for row in tried(name, measure, name, batch, run, channels_last, settings):
                if 'images / s' in row:
                    reference.setdefault((run.partition(',')[0], channels_last), row['images / s'])
                    row['of ConvNeXt-T'] = row['images / s'] / reference[run.partition(',')[0], channels_last]
                yield row


def build(name: str, settings: Settings) -> nn.Module:
    """A classifier with random weights."""
    model = load_config(CONFIGS[name], SMALL[name] if settings.small else None).model
    init_default_scope('mmpretrain')
    model.pop('train_cfg', None)  # mixup, which is not what is measured
    return MODELS.build(model).train().to(settings.device)


def training_step(model: nn.Module, batch: int, channels_last: bool, settings: Settings) -> Callable[[], None]:
    """A closure that does one step of AdamW in bfloat16 on random images."""
    side = 64 if settings.small else 224
    images = torch.randn(batch, 3, side, side, device=settings.device)
    if channels_last:
        images = images.contiguous(memory_format=torch.channels_last)
    target = torch.randint(0, 1000, (batch,), device=settings.device)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-4, fused=settings.device.startswith('cuda'))

    def step() -> None:
        with torch.autocast(settings.device, torch.bfloat16):
            loss = nn.functional.cross_entropy(model(images), target)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


class Logits(nn.Module):
    """A classifier as a function from images to logits, with what timm asks of its own models."""
    num_classes, in_chans, pretrained_cfg = 1000, 3, dict(mean=(0., 0., 0.), std=(1., 1., 1.))

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Returns logits."""
        return self.model(images)


def measure(name: str, batch: int, run: str, channels_last: bool, settings: Settings) -> dict:
    """Images a second and the peak of memory.

    Args:
        name: A key of :data:`CONFIGS`.
        batch: Images a step.
        run: ``'eager'``, ``'compiled'``, or ``'eager, conv2d'`` without the kernels of :mod:`mmkd.ops`.
        channels_last: The layout of images and weights.
        settings: The report's.
    """
    model = Logits(build(name, settings))
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
    step = training_step(torch.compile(model) if run == 'compiled' else model, batch, channels_last, settings)
    with use_implementation('plain') if 'conv2d' in run else nullcontext():
        time = milliseconds(step, settings.device, 1.5)
        memory = peak_gigabytes(step, settings.device)
    return {'case': name, 'batch': batch, 'run': run, 'layout': 'channels_last' if channels_last else 'contiguous',
            'step (ms)': time, 'images / s': 1000 * batch / time, 'peak (GiB)': memory}
