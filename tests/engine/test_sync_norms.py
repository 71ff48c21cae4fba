"""Recipes with synchronised norms, in two processes."""
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.dist import all_gather
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import Dataset

from mmkd.backbones import SLaK
from mmkd.distillers import Distiller
from mmkd.utils.checkpoints.reading import read_checkpoint
from mmkd.utils.processes.distributed import prepare_cpu_processes

from .. import sync_norms
from ..processes import run_ranks, run_tool

TOOLS = Path(__file__).parents[2] / 'tools'

SMALL = dict(depths=(1, 1, 1, 1), channels=(8, 16, 24, 32))
NORM = 'backbone.stages.1.0.large_kernel.small.bn'


class Images(Dataset):
    """Sixteen images with labels."""

    def __len__(self) -> int:
        return 16

    def __getitem__(self, index: int) -> dict:
        from mmpretrain.structures import DataSample
        generator = torch.Generator().manual_seed(index)
        image = torch.randint(256, (3, 64, 64), dtype=torch.uint8, generator=generator)
        sample = DataSample(metainfo=dict(sample_idx=index))
        return dict(inputs=image, data_samples=sample.set_gt_label(index % 4))


def slak(**backbone: object) -> dict:
    return dict(type='mmpretrain.ImageClassifier', backbone=dict(type='mmkd.SLaK', arch=SMALL, **backbone),
                head=dict(type='mmpretrain.LinearClsHead', num_classes=4, in_channels=41,
                          loss=dict(type='mmpretrain.CrossEntropyLoss')),
                data_preprocessor=dict(type='mmpretrain.ClsDataPreprocessor', mean=[120.] * 3, std=[60.] * 3))


def recipe(terms: dict | None = None, **backbone: object) -> Distiller:
    """A student with norms to convert; unless told otherwise with taps on such norms, and a loss with norms."""
    torch.manual_seed(0)
    attention = dict(type='mmkd.ATLoss')
    scale = dict(type='mmkd.ScaleKDLoss', projector='conv', tpp=False, with_cp=True)
    return Distiller(
        student=slak(**backbone), teacher=dict(big=slak(), mean=dict(ema=dict(momentum=.2))), input_size=64,
        terms=terms or dict(at=dict(loss=attention, student=NORM, teacher=f'big:{NORM}'),
                            mean=dict(loss=attention, student=NORM, teacher=f'mean:{NORM}'),
                            scale=dict(loss=scale, student='stage4', teacher='big:stage4')))


def train(rank, *args):
    sync_norms.install()
    run_tool(rank, *args)
    assert sync_norms.forwards


@pytest.mark.processes
def test_a_sparse_slak_with_checkpointing_trains(home, tmp_path):
    options = ['sync_bn=torch', 'model.backbone.with_cp=True', 'train_cfg.max_epochs=1', 'param_scheduler=None',
               'train_dataloader.batch_size=5', 'default_hooks.logger.interval=1',
               'train_dataloader.dataset.ann_file=meta/train_5_per_class_seed0.txt']
    (tmp_path / 'data').symlink_to(home / 'data', target_is_directory=True)
    run_ranks(train, tmp_path, TOOLS / 'train.py', tmp_path, 'quickstart/slak-mini-sparse40_digits.py',
              '--no-validate', '--work-dir', tmp_path / 'run', '--cfg-options', *options)
    saved = read_checkpoint(tmp_path / 'run/epoch_1.pth')
    counts = [value for name, value in saved['ema_state_dict'].items() if name.endswith('num_batches_tracked')]
    assert counts and all(value == 5 for value in counts)  # neither SNIP's batch nor what is computed again
    zeros, total = 0, 0
    for name, packed in saved['sparsity']['masks'].items():
        zeros += sum(bin(byte).count('1') for byte in packed.tolist())
        total += saved['state_dict'][name].numel()
    assert abs(zeros / total - .4) < .001


def both_halves(rank):
    """With and without checkpointing, two processes compute what batch norms do on both halves at once."""
    torch.manual_seed(0)
    whole, images = SLaK(arch=SMALL).train(), torch.randn(6, 3, 64, 64)
    sum(out.square().sum() for out in whole(images)).backward()
    for with_cp in (False, True):
        torch.manual_seed(0)
        half = nn.SyncBatchNorm.convert_sync_batchnorm(SLaK(arch=SMALL, with_cp=with_cp)).train()
        sum(out.square().sum() for out in half(images[rank * 4:rank * 4 + 4])).backward()  # 4 and 2 images
        for name, value in half.state_dict().items():
            torch.testing.assert_close(value, whole.state_dict()[name], rtol=1e-4, atol=1e-6, msg=name)
        for (name, p), q in zip(half.named_parameters(), whole.parameters()):
            torch.testing.assert_close(sum(all_gather(p.grad)), q.grad, rtol=1e-3, atol=1e-4, msg=name)


def distil(rank, work_dir):
    """A recipe whose taps are norms, and whose loss has norms and computes them again."""
    init_default_scope('mmpretrain')
    model = recipe(with_cp=True)
    sync_norms.install()
    both_halves(rank)
    config = Config(dict(launcher='pytorch'))
    prepare_cpu_processes(config)
    runner = Runner(
        model=model, work_dir=str(work_dir), train_cfg=dict(by_epoch=True, max_epochs=2), launcher='pytorch',
        train_dataloader=dict(batch_size=4, num_workers=0, dataset=Images(), collate_fn=dict(type='pseudo_collate'),
                              sampler=dict(type='DefaultSampler', shuffle=True)),
        optim_wrapper=dict(optimizer=dict(type='AdamW', lr=1e-3), accumulative_counts=2), randomness=dict(seed=0),
        custom_hooks=[dict(type='mmkd.EMAHook', momentum=.1, priority='ABOVE_NORMAL'),
                      dict(type='mmkd.DynamicSparsityHook', sparsity=.4, init='snip'),
                      dict(type='mmkd.DistillationHook', gradient_interval=2)],
        cfg=dict(sync_bn='torch', model_wrapper_cfg=config.model_wrapper_cfg), experiment_name='sync',
        log_level='ERROR')
    runner.train()
    norms = [module for module in model.modules() if hasattr(module, 'running_mean')]
    assert len(norms) > 20 and all(isinstance(norm, nn.SyncBatchNorm) for norm in norms)
    for name, value in model.state_dict().items():
        assert torch.equal(*all_gather(value)), name
        if name.endswith('num_batches_tracked') and 'averages' not in name:
            assert value == 4, (name, value)
    assert model.averages['mean'].steps == 3  # the first copy, and one an optimizer step


@pytest.mark.processes
@pytest.mark.slow
def test_checkpointing_taps_and_losses_with_norms(tmp_path):
    run_ranks(distil, tmp_path, tmp_path / 'run')
