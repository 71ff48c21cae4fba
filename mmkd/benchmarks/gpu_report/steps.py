"""A distillation step beside its parts, and beside timm's task with the same models."""
import statistics
from collections.abc import Callable, Iterator

import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from torch import nn

from mmkd.benchmarks.timing import seconds_in_turn
from mmkd.distillers import Distiller
from mmkd.recipes.weightless import without_weights
from mmkd.registry import MODELS
from mmkd.utils.configs.finding import load_config

from .models import CONFIGS, SMALL, Logits
from .settings import Settings, peak_gigabytes, tried

KD = dict(kd=dict(loss=dict(type='mmkd.KDLoss', temperature=4.0), student='logits', teacher='logits'))
RESNET50 = 'mmpretrain::resnet/resnet50_8xb32_in1k.py'
SMALL_RESNET = {'model.backbone.depth': 18, 'model.head.in_channels': 512}
SCALEKD = 'scale_kd/resnet50_swin-large-scalekd_32xb64-300e_in1k.py'
CASES = (('ResNet-50 ← ConvNeXt-T, KD', 'ResNet-50', 'ConvNeXt-T', {}),
         ('ConvNeSt-T ← SLaK-T, KD', 'ConvNeSt-T', 'SLaK-T', {}),
         ('ResNet-50 ← ConvNeXt-T, KD, teacher compiled', 'ResNet-50', 'ConvNeXt-T', dict(compile=True)))


def measure_part(settings: Settings) -> Iterator[dict]:
    """One row a recipe: milliseconds of the step and its parts, in bfloat16, and their ratio."""
    cases = CASES[:2] if settings.quick or settings.small else CASES
    for name, student, teacher, options in cases:
        yield from tried(name, compare, name, kd_model(student, teacher, options, settings), settings)
    if not settings.small and not settings.quick:
        yield from tried('ScaleKD', compare, 'ResNet-50 ← Swin-L, ScaleKD',
                         dict(without_weights(load_config(SCALEKD))[0]), settings, 64, False)


def kd_model(student: str, teacher: str, options: dict, settings: Settings) -> dict:
    """The model of a recipe that distils logits."""
    configs, small = CONFIGS | {'ResNet-50': RESNET50}, SMALL | {'ResNet-50': SMALL_RESNET}
    specs = [dict(config=configs[name], options={'model.train_cfg': None} | (small[name] if settings.small else {}))
             for name in (student, teacher)]  # without mixup
    return dict(type='mmkd.Distiller', student=specs[0], teacher=specs[1] | options, terms=KD,
                input_size=64 if settings.small else 224,
                data_preprocessor=dict(type='mmpretrain.ClsDataPreprocessor', num_classes=1000, to_rgb=True,
                                       mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375]))


def compare(name: str, model: dict, settings: Settings, batch: int = 128, timm: bool = True) -> dict:
    """Times a step, the student's step, the teacher's pass and timm's step in turn.

    Args:
        name: What the row is called.
        model: Config of a distiller without weights.
        settings: The report's.
        batch: Images a step.
        timm: Whether timm has a task that computes the same.
    """
    from mmpretrain.structures import DataSample
    init_default_scope('mmpretrain')
    device, batch = settings.device, 2 if settings.small else batch
    distiller = MODELS.build(Config(model)._cfg_dict).to(device)
    images = torch.randint(0, 256, (batch, 3, *_size(model)), dtype=torch.uint8)
    samples = [DataSample().set_gt_label(index % 1000) for index in range(batch)]
    data = distiller.data_preprocessor(dict(inputs=list(images), data_samples=samples), True)
    inputs = data['inputs']
    runs = dict(step=_step(distiller, data, device), student=_step(distiller.student, data, device),
                teacher=lambda: _teacher(distiller, inputs, device))
    if timm:
        runs['timm'] = _timm_step(distiller, inputs, data['data_samples'], device)
    rounds = range(5 if settings.small else 15)
    times = {name: 1000 * statistics.median(found)
             for name, found in seconds_in_turn(runs, device, rounds).items()}
    parts = times['student'] + times['teacher']
    return {'case': name, 'batch': batch, 'step (ms)': times['step'], 'student (ms)': times['student'],
            'teacher (ms)': times['teacher'], 'step / parts': times['step'] / parts,
            'added (ms)': times['step'] - parts, 'timm (ms)': times.get('timm'),
            'step / timm': times['step'] / times['timm'] if timm else None,
            'peak (GiB)': peak_gigabytes(runs['step'], device),
            'peak of student (GiB)': peak_gigabytes(runs['student'], device)}


def _size(model: dict) -> tuple[int, int]:
    side = model.get('input_size', 224)
    return (side, side) if isinstance(side, int) else tuple(side)


def _step(model: nn.Module, data: dict, device: str) -> Callable[[], None]:
    wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-5, foreach=True))
    if device.startswith('cuda'):
        wrapper |= dict(type='AmpOptimWrapper', dtype='bfloat16')
    optimizer = build_optim_wrapper(model.train(), wrapper)

    def step() -> None:
        with optimizer.optim_context(model):
            losses = model(**data, mode='loss')
        optimizer.update_params(model.parse_losses(losses)[0])

    return step


def _teacher(distiller: Distiller, inputs: torch.Tensor, device: str) -> None:
    with torch.autocast(device, torch.bfloat16, enabled=device.startswith('cuda')):
        distiller.teachers['teacher'](inputs)


def _timm_step(distiller: Distiller, inputs: torch.Tensor, samples: list, device: str) -> Callable[[], None]:
    from timm.task import LogitDistillationTask
    teacher = distiller.teachers['teacher'].model
    task = LogitDistillationTask(
        student_model=Logits(distiller.student), teacher_model=Logits(teacher), criterion=nn.CrossEntropyLoss(),
        task_loss_weight=1., distill_loss_weight=1., temperature=4., device=torch.device(device), verbose=False)
    target = torch.cat([sample.gt_label for sample in samples]).to(device)
    optimizer = torch.optim.AdamW(distiller.student.parameters(), 1e-5, foreach=True)

    def step() -> None:
        with torch.autocast(device, torch.bfloat16, enabled=device.startswith('cuda')):
            loss = task(inputs, target)['loss']
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step
