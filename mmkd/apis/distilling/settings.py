"""The config that a call stands for: data, pipelines, schedule, runtime."""
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from mmkd.utils import UserError

SMALL = 2000  # pictures: below, worker processes take longer to start each epoch than they save
WARM_UP = 0.1
BEST_TERMS = 'terms/total'  # of mmkd.TermLossValLoop; the one figure here of which less is better
FEW_STEPS = 80  # below, a tenth of them is no warm-up on eight GPUs


@dataclass
class Training:
    """How long and in which steps a call trains.

    Args:
        epochs: Number of epochs.
        batch_size: Pictures a step and GPU; None takes about a quarter of the pictures, from 2 to 64.
        lr: The learning rate; None takes 1e-3 for 256 pictures a step, in proportion to the root of their number.
        size: Side of the pictures that the student is given.
        seed: Of everything that is drawn.
        amp: Whether to train in mixed precision; None does so on a GPU.
        workers: Processes that load pictures; None takes none for few pictures, else up to four.
    """
    epochs: int
    batch_size: int | None = None
    lr: float | None = None
    size: int = 224
    seed: int = 0
    amp: bool | None = None
    workers: int | None = None

    def check(self) -> None:
        """Checks the numbers.

        Raises:
            UserError: One of them is out of range.
        """
        for name, value, least in (('epochs', self.epochs, 1), ('batch_size', self.batch_size, 2),
                                   ('size', self.size, 8), ('seed', self.seed, 0), ('workers', self.workers, 0)):
            if value is not None and (type(value) is not int or value < least):
                raise UserError(f'{name} expects a whole number from {least}, got {value!r}. Correct it.')
        if self.seed >= 2**32:  # NumPy's generators take no larger one
            raise UserError(f'seed expects a number below 2**32, got {self.seed}. Correct it.')
        if self.lr is not None and (isinstance(self.lr, bool) or not isinstance(self.lr, int | float)
                                    or not 0 < self.lr < math.inf):
            raise UserError(f'lr expects a number above 0, got {self.lr!r}. Correct it.')

    def fill(self, images: int) -> None:
        """Chooses what was left open.

        Args:
            images: How many there are to train on.

        Raises:
            UserError: A batch of two or more cannot be made of them.
        """
        if images < 2:
            raise UserError(f'data expects two pictures or more to train on, got {images}. Add some.')
        if self.batch_size is None:
            self.batch_size = max(2, min(64, 1 << (images // 4).bit_length() - 1)) if images >= 8 else 2
        self.batch_size = min(self.batch_size, images)
        if self.lr is None:
            self.lr = float(f'{1e-3 * math.sqrt(self.batch_size / 256):.3g}')
        if self.workers is None:
            cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1
            self.workers = 0 if images < SMALL else min(4, cores)

    def follow(self, loader: Mapping, augment: bool) -> None:
        """Takes what the config of a data set decides by itself.

        Args:
            loader: Its ``train_dataloader``.
            augment: Whether the call asks to crop and flip at random.

        Raises:
            UserError: The call asks for what the config decides.
        """
        for asked, what, key in (
                (self.batch_size is not None, f'batch_size={self.batch_size}', 'train_dataloader.batch_size'),
                (self.workers is not None, f'workers={self.workers}', 'train_dataloader.num_workers'),
                (not augment, 'augment=False', 'train_dataloader.dataset.pipeline')):
            if asked:
                raise UserError(f'data expects, as the config of a data set, its own loaders and pipelines, got {what} '
                                f'beside it. Override {key} by cfg_options (--cfg-options) instead.')
        self.batch_size = loader.get('batch_size', 2)
        if self.lr is None:
            self.lr = 1e-4

    def steps(self, images: int) -> int:
        """How many steps an epoch has, on one GPU."""
        return max(images // self.batch_size, 1)


def pipelines(size: int) -> tuple[list[dict], list[dict]]:
    """Crop and flip to train on, resize and centre crop to validate on."""
    train = [dict(type='LoadImageFromFile'),
             dict(type='mmkd.RandomResizedCrop', scale=size, backend='pillow_torch', interpolation='bicubic'),
             dict(type='RandomFlip', prob=0.5, direction='horizontal'),
             dict(type='PackInputs')]
    val = [dict(type='LoadImageFromFile'),
           dict(type='mmkd.ResizeEdge', scale=round(size * 256 / 224), crop_size=size, edge='short',
                interpolation='bicubic'),
           dict(type='CenterCrop', crop_size=size),
           dict(type='PackInputs')]
    return train, val


def loader(dataset: dict, training: Training, shuffle: bool, images: int) -> dict:
    """A data loader."""
    found = dict(batch_size=training.batch_size, num_workers=training.workers,
                 persistent_workers=training.workers > 0,
                 sampler=dict(type='DefaultSampler', shuffle=shuffle), dataset=dataset)
    if torch.cuda.is_available():
        found['pin_memory'] = True
    if shuffle and images % training.batch_size == 1:  # batch norm cannot train on a single picture
        found['drop_last'] = True
    return found


def schedule(training: Training, images: int, mixed: bool) -> dict[str, Any]:
    """AdamW with a warm-up and a cosine decay whose lengths follow the number of epochs.

    Args:
        training: The lengths.
        images: How many there are to train on.
        mixed: Whether to train in mixed precision.
    """
    wrapper: dict[str, Any] = dict(
        optimizer=dict(type='AdamW', lr=training.lr, weight_decay=0.05),
        paramwise_cfg=dict(norm_decay_mult=0., bias_decay_mult=0.), clip_grad=dict(max_norm=5.))
    if mixed:
        wrapper |= dict(type='AmpOptimWrapper', loss_scale='dynamic')
    cosine = dict(type='CosineAnnealingLR', eta_min=float(f'{training.lr / 100:.3g}'), by_epoch=True,
                  convert_to_iter_based=True)
    schedulers = [cosine]
    if training.epochs * training.steps(images) >= FEW_STEPS:
        warm = round(WARM_UP * training.epochs, 2)
        schedulers = [dict(type='LinearLR', start_factor=0.01, by_epoch=True, end=warm, convert_to_iter_based=True),
                      cosine | dict(begin=warm)]
    return dict(
        optim_wrapper=wrapper, param_scheduler=schedulers, auto_scale_lr=dict(base_batch_size=training.batch_size),
        train_cfg=dict(by_epoch=True, max_epochs=training.epochs, val_interval=max(1, training.epochs // 10)))


def runtime(training: Training, scope: str, best: str | None, hooks: list[dict], steps: int) -> dict[str, Any]:
    """Log, checkpoints and seed.

    Args:
        training: For the seed.
        scope: The package that names without one belong to.
        best: The figure by which the best checkpoint is kept; None keeps none.
        hooks: Further hooks of the method.
        steps: How many an epoch has.
    """
    checkpoint: dict[str, Any] = dict(type='CheckpointHook', interval=1, max_keep_ckpts=1)
    if best is not None:
        checkpoint |= dict(save_best=best, rule='less' if best == BEST_TERMS else 'greater')
    visualizer = dict(mmpretrain='UniversalVisualizer', mmdet='DetLocalVisualizer', mmseg='SegLocalVisualizer')
    return dict(
        default_scope=scope,
        default_hooks=dict(
            timer=dict(type='IterTimerHook'), logger=dict(type='LoggerHook', interval=max(1, min(50, steps))),
            param_scheduler=dict(type='ParamSchedulerHook'), checkpoint=checkpoint,
            sampler_seed=dict(type='DistSamplerSeedHook')),
        **(dict(custom_hooks=hooks) if hooks else {}),
        env_cfg=dict(cudnn_benchmark=False, mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
                     dist_cfg=dict(backend='nccl')),
        visualizer=dict(type=visualizer[scope], vis_backends=[dict(type='LocalVisBackend')]),
        log_level='INFO', load_from=None, resume=False, randomness=dict(seed=training.seed),
        work_dir='{{ fileDirname }}/again')
