"""What the command-line tools share."""
import argparse
import functools
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from mmengine.config import Config, ConfigDict

from mmkd.datasets.annotation_lists import check_configured_list

from .building.build import type_name
from .empty_folders import check_not_empty
from .errors import UserError
from .files.logs import stop_at_full_logs
from .processes.lost_batches import report_lost_batches
from .processes.ranks import speaks
from .tool_paths import tool_path

DOWNLOADING = ('CIFAR10', 'CIFAR100', 'MNIST', 'FashionMNIST')  # mmpretrain fetches their data when it needs them


class ToolParser(argparse.ArgumentParser):
    """The parser of a tool: argparse's, with the flag ``--traceback`` that every tool has."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.add_argument('--traceback', action=_ShowTraceback, nargs=0, default=argparse.SUPPRESS,
                          help='show where an error comes from')

    def error(self, message: str) -> NoReturn:
        """Ends the tool, with one process's words where there are several."""
        if not speaks():
            sys.exit(2)
        super().error(message)


class _ShowTraceback(argparse.Action):
    wanted = False

    def __call__(self, *_: Any) -> None:
        _ShowTraceback.wanted = True


def one_line_errors(main: Callable[[], int | None]) -> Callable[[], int | None]:
    """Decorates a tool's ``main``: what a user can mend becomes one line on stderr and exit status 2.

    See :mod:`mmkd.utils.mendable` for which errors these are; others keep their traceback, and ``--traceback`` shows
    it of all. Of several processes on a machine one speaks. An interruption ends with exit status 130.
    A batch that a worker cannot hand over and a log that cannot be written are errors like others, in workers that are
    started anew as well: they import the tool.
    """
    report_lost_batches()
    stop_at_full_logs()

    @functools.wraps(main)
    def wrapped() -> int | None:
        _ShowTraceback.wanted = False
        try:
            return _flushed(main)
        except KeyboardInterrupt:
            if speaks():
                print('interrupted', file=sys.stderr)
            sys.exit(130)
        except BrokenPipeError:
            _close_quietly()
            sys.exit(141)
        except Exception as error:
            from .mendable import explain
            message = explain(error)
            if not speaks():
                sys.exit(1 if message is None else 2)
            if message is None:
                raise
            if _ShowTraceback.wanted:
                traceback.print_exc()
            print('error:', message, file=sys.stderr)
            sys.exit(2)

    return wrapped


def _flushed(main: Callable[[], int | None]) -> int | None:
    """Runs a tool and prints all it has to say: when Python ends, it would be too late to notice a closed pipe."""
    try:
        status = main()
    except SystemExit:  # after --help
        sys.stdout.flush()
        raise
    sys.stdout.flush()
    return status


def _close_quietly() -> None:
    """Sends what is still to be printed nowhere: a reader such as ``head`` has gone."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            os.dup2(nowhere, stream.fileno())


def check_data_exists(config: Config, splits: tuple[str, ...] = ('train', 'val', 'test')) -> None:
    """Checks that the files and folders that the config's datasets name are there, and that images and lists are such.

    Args:
        config: A config with ``train_dataloader`` and so on.
        splits: Which of them to check.

    Raises:
        UserError: A path is missing or a list is wrong; the message says which dataset wants it.
    """
    for split in splits:
        loader = config.get(f'{split}_dataloader')
        if loader is None:
            continue
        if not isinstance(loader, dict) or loader.get('dataset') is None:
            raise UserError(f'{split}_dataloader expects a dict with a dataset, got {loader!r}. Write '
                            'dict(batch_size=…, dataset=…).')
        _check_samplers(split, loader)
        for key, dataset in _leaf_datasets(f'{split}_dataloader.dataset', loader['dataset']):
            for name in ('data_root', 'data_prefix', 'ann_file'):
                value = dataset.get(name) or ''
                parts = list(value.values()) if isinstance(value, dict) else [value]
                if not all(isinstance(part, str | Path) for part in parts):
                    raise UserError(f'{key}.{name} expects a path, got {value!r}. Write it as text.')
            for path in _paths(dataset):
                if not path.exists():
                    raise UserError(
                        f'{key} ({dataset.get("type")}) expects {path}, which does not exist. '
                        f'Prepare the data or set {key}.data_root with --cfg-options.' + _digits_hint(path))
            check_not_empty(key, dataset)
            check_configured_list(key, dataset)


def _check_samplers(split: str, loader: dict) -> None:
    """PyTorch takes any text or list for a sampler, and training data in their order where there is none."""
    ordered = 'sampler' in loader and loader['sampler'] is loader.get('batch_sampler') is None
    if split == 'train' and ordered and not loader.get('shuffle'):
        raise UserError('train_dataloader.sampler expects a dict, got None: the images would come in the same order in '
                        "each epoch, and in each process. Write dict(type='DefaultSampler', shuffle=True).")
    for name in ('sampler', 'batch_sampler'):
        if isinstance(loader.get(name), str | int | float | list | tuple):
            raise UserError(f'{split}_dataloader.{name} expects a dict, got {loader[name]!r}. Write '
                            "dict(type='DefaultSampler', shuffle=…).")


def _leaf_datasets(key: str, cfg: dict | None) -> Iterator[tuple[str, ConfigDict]]:
    """The datasets inside wrappers such as RepeatDataset and ConcatDataset, each with its key in the config."""
    if not cfg:
        return
    if not isinstance(cfg, dict):
        raise UserError(f'{key} expects a dict with a type, got {cfg!r}. Write dict(type=…, data_root=…).')
    if 'dataset' in cfg:
        yield from _leaf_datasets(f'{key}.dataset', cfg['dataset'])
    elif cfg.get('datasets'):
        for index, item in enumerate(cfg['datasets']):
            yield from _leaf_datasets(f'{key}.datasets.{index}', item)
    else:
        yield key, cfg


def _paths(dataset: dict) -> Iterator[Path]:
    """The local paths that a dataset reads; none if it downloads its data itself."""
    if type_name(dataset) in DOWNLOADING and dataset.get('download', True):
        return
    root = dataset.get('data_root') or ''
    prefix = dataset.get('data_prefix') or ''
    parts = list(prefix.values()) if isinstance(prefix, dict) else [prefix]
    for part in ['', *parts, dataset.get('ann_file') or '']:
        if (root or part) and '://' not in f'{root} {part}':
            yield Path(root) / part


def _digits_hint(path: Path) -> str:
    if 'digits' not in path.parts:
        return ''
    return f' The digits are made by: python {tool_path("dataset_converters/digits.py")}'
