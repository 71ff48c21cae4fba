"""Trains any mmpretrain, mmdet, mmseg or mmkd config."""
import argparse
import os
import sys
from pathlib import Path

import mmkd  # noqa: F401  (before mmdet: supplies mmcv's ops where they are not compiled)
import torch
from mmengine.config import Config

from mmkd.engine.checkpoints.whole import keep_checkpoints_whole
from mmkd.engine.training import train_config
from mmkd.utils import UserError
from mmkd.utils.command_line.cli import ToolParser, one_line_errors
from mmkd.utils.command_line.overrides import ConfigOptions
from mmkd.utils.command_line.trackers import TRACKERS, add_trackers
from mmkd.utils.configs.finding import load_config
from mmkd.utils.configs.formatting import remember_formatting
from mmkd.utils.processes.allocator import keep_freed_memory
from mmkd.zoo import load_safely_everywhere


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = ToolParser(
        description=__doc__, epilog='Several GPUs: bash tools/dist_train.sh CONFIG GPUS [the same flags].')
    parser.add_argument('config', help='config file: a path, mmkd::PATH, or a path below configs/')
    parser.add_argument('--work-dir', help='where logs and checkpoints go (default: work_dirs/CONFIG_NAME)')
    parser.add_argument('--resume', nargs='?', const='auto', metavar='CHECKPOINT',
                        help='go on from CHECKPOINT, or from the last one in the work dir')
    parser.add_argument('--restart-schedule', action='store_true',
                        help='with --resume: go on with the batch size, lengths and learning rates of this config, '
                        'where they are not those of the interrupted run')
    parser.add_argument('--amp', action='store_true', help='automatic mixed precision (needs an accelerator)')
    parser.add_argument('--auto-scale-lr', action='store_true',
                        help='scale the learning rate with the actual batch size (GPUs and accumulation counted) over '
                        'auto_scale_lr.base_batch_size')
    parser.add_argument('--tracker', nargs='+', metavar='NAME',
                        choices=['tensorboard', 'wandb', 'mlflow', 'clearml', 'aim', 'dvclive', 'neptune'],
                        help=f'write what is logged to these as well: {", ".join(TRACKERS)}')
    parser.add_argument('--no-validate', action='store_true', help='skip validation during training')
    parser.add_argument('--cfg-options', nargs='+', action=ConfigOptions, metavar='KEY=VALUE',
                        help='override config entries: optim_wrapper.optimizer.lr=1e-3 model.task_weight=0.5')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none',
                        help='how the processes are started (set by dist_train.sh and slurm_train.sh)')
    parser.add_argument('--trust-checkpoint', action='store_true',
                        help='unpickle checkpoints that hold Python objects; may run code of their author')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.restart_schedule and not args.resume:
        parser.error('--restart-schedule expects --resume as well.')
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def merge_args(config: Config, args: argparse.Namespace) -> Config:
    """Writes the command line into the config.

    Raises:
        UserError: A flag does not go with this config or this machine.
    """
    config.launcher = args.launcher
    stem = Path(args.config.rpartition('::')[2]).stem
    config.work_dir = args.work_dir or config.get('work_dir') or f'work_dirs/{stem}'
    if args.no_validate:
        config.val_cfg = config.val_dataloader = config.val_evaluator = None
    if args.amp:
        if not torch.cuda.is_available():
            raise UserError('--amp expects an accelerator, found only the CPU. Leave the flag out.')
        config.optim_wrapper.type = 'AmpOptimWrapper'
        config.optim_wrapper.setdefault('loss_scale', 'dynamic')
    if args.auto_scale_lr:
        if not config.get('auto_scale_lr', {}).get('base_batch_size'):
            raise UserError('--auto-scale-lr expects auto_scale_lr.base_batch_size in the config, found none. '
                            'Set it to the batch size that the learning rate was chosen for.')
        config.auto_scale_lr.enable = True
    if args.resume:
        config.resume = True
        config.load_from = None if args.resume == 'auto' else args.resume
    add_trackers(config, args.tracker, bool(args.resume))
    return config


@one_line_errors
def main() -> None:
    """Runs the tool."""
    args = parse_args()
    if not torch.cuda.is_available():
        keep_freed_memory()
    load_safely_everywhere(args.trust_checkpoint)
    keep_checkpoints_whole()
    remember_formatting()
    config = merge_args(load_config(args.config, args.cfg_options), args)
    train_config(config, validate=not args.no_validate, restart_schedule=args.restart_schedule)


if __name__ == '__main__':
    sys.exit(main())
