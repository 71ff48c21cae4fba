"""Tests a checkpoint of any mmpretrain, mmdet, mmseg or mmkd config."""
import argparse
import os
import sys
from pathlib import Path

import mmkd  # noqa: F401  (before mmdet: supplies mmcv's ops where they are not compiled)
from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.fileio import dump
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from mmkd.datasets.configured import check_data_exists
from mmkd.distillers.inputs import state_order
from mmkd.distillers.models import student_config
from mmkd.engine.checkpoints.tested_weights import test_weights, tested_config
from mmkd.engine.hooks import DataFitHook
from mmkd.evaluation.test_data import TEST_DATA, set_test_data
from mmkd.utils import UserError
from mmkd.utils.building.build import type_name
from mmkd.utils.command_line.cli import ToolParser, one_line_errors
from mmkd.utils.command_line.overrides import ConfigOptions
from mmkd.utils.configs.finding import load_config
from mmkd.utils.configs.options import merge_options
from mmkd.utils.files.small import beside
from mmkd.utils.processes.distributed import prepare_cpu_processes
from mmkd.zoo import load_safely_everywhere

TERM_LOOP = 'TermLossTestLoop'


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = ToolParser(
        description=f'{__doc__} Of a distillation recipe it tests the student; no teacher is needed.',
        epilog='Several GPUs: bash tools/dist_test.sh CONFIG CHECKPOINT GPUS [the same flags].')
    parser.add_argument('config', help='config file: a path, mmkd::PATH, or a path below configs/')
    parser.add_argument('checkpoint', help='training checkpoint or published student: path, URL or zoo name')
    parser.add_argument('--weights', choices=['validated', 'raw', 'ema'], default='validated',
                        help='of a checkpoint with the weights of the last step and their average: those that the run '
                        'validated, which may be both (default), or one of them')
    parser.add_argument('--data', metavar='NAME', help='test a classifier on other images than those of the config: '
                        f'{", ".join(TEST_DATA)}, or a config file with test_dataloader and test_evaluator')
    parser.add_argument('--work-dir', help='where logs go (default: work_dirs/CONFIG_NAME)')
    parser.add_argument('--out', help='write the metrics to this .json file')
    parser.add_argument('--tta', action='store_true',
                        help="test-time augmentation, such as several scales: the config's tta_pipeline and tta_model")
    parser.add_argument('--cfg-options', nargs='+', action=ConfigOptions, metavar='KEY=VALUE',
                        help='override config entries: test_dataloader.batch_size=64')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none',
                        help='how the processes are started (set by dist_test.sh and slurm_test.sh)')
    parser.add_argument('--trust-checkpoint', action='store_true',
                        help='unpickle checkpoints that hold Python objects; may run code of their author')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def output_file(name: str | None) -> Path | None:
    """The file of the metrics, in a folder that is there, before anything is tested.

    Raises:
        UserError: It has another ending, or is a folder.
    """
    if name is None:
        return None
    path = Path(name)
    if path.suffix != '.json' or path.is_dir():
        raise UserError(f'--out expects a .json file, got {name!r}. Write metrics.json.')
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def merge_args(config: Config, args: argparse.Namespace) -> Config:
    """Writes the command line into the config.

    Raises:
        UserError: ``--tta`` is given, but the config says nothing of test-time augmentation.
    """
    config.launcher = args.launcher
    stem = Path(args.config.rpartition('::')[2]).stem
    config.work_dir = args.work_dir or config.get('work_dir') or f'work_dirs/{stem}'
    if args.tta:
        if not {'tta_pipeline', 'tta_model'} <= set(config):
            raise UserError(f'--tta expects tta_pipeline and tta_model in the config, {args.config} has not both. '
                            'Write them, or leave the flag out.')
        config.test_dataloader.dataset.pipeline = config.tta_pipeline
        config.custom_hooks = [*config.get('custom_hooks', []), dict(type='PrepareTTAHook', tta_cfg=config.tta_model)]
    return config


def tested_model(config: Config) -> Config:
    """Leaves the student alone of a recipe, unless its terms are what is tested."""
    return config if type_name(config.get('test_cfg')) == TERM_LOOP else student_config(config)


def watch_data(runner: Runner, checkpoint: str) -> None:
    """Compares the classes of the test data with those of the checkpoint before anything is tested."""
    hook = next((hook for hook in runner.hooks if isinstance(hook, DataFitHook)), None)
    if hook is None:
        runner.register_hook(hook := DataFitHook())
    hook.checkpoint = checkpoint


@one_line_errors
def main() -> None:
    """Runs the tool."""
    args = parse_args()
    out = output_file(args.out)
    load_safely_everywhere(args.trust_checkpoint)
    config = load_config(args.config)
    if args.data:
        set_test_data(config, args.data)
    merge_options(config, args.cfg_options or {})
    config = tested_config(tested_model(merge_args(config, args)))
    state_order(config)
    check_data_exists(config, ('test',))
    prepare_cpu_processes(config)
    runner = RUNNERS.build(config) if 'runner_type' in config else Runner.from_cfg(config)
    watch_data(runner, args.checkpoint)
    metrics = test_weights(runner, args.checkpoint, None if args.weights == 'validated' else args.weights)
    if out and is_main_process():
        with beside(out) as temporary:
            dump(metrics, temporary)


if __name__ == '__main__':
    sys.exit(main())
