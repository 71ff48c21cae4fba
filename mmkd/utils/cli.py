"""What the command-line tools share."""
import functools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

from mmengine.config import Config, ConfigDict

from .build import type_name, unknown_type
from .errors import UserError
from .tool_paths import tool_path

DOWNLOADING = ('CIFAR10', 'CIFAR100', 'MNIST', 'FashionMNIST')  # mmpretrain fetches their data when it needs them


def one_line_errors(main: Callable[[], None]) -> Callable[[], None]:
    """Decorates a tool's ``main``: a mistake of the user becomes one line on stderr and exit status 2.

    That is any :class:`UserError`, and the ``KeyError`` by which MMEngine tells of a type that is not registered.
    """

    def complain(message: str) -> NoReturn:
        print('error:', ' '.join(message.split()), file=sys.stderr)  # torch's messages have several lines
        sys.exit(2)

    @functools.wraps(main)
    def wrapped() -> None:
        try:
            main()
        except UserError as error:
            complain(str(error))
        except KeyError as error:
            message = unknown_type(error)
            if message is None:
                raise
            complain(message)
        except KeyboardInterrupt:
            print('interrupted', file=sys.stderr)
            sys.exit(130)

    return wrapped


def check_data_exists(config: Config, splits: tuple[str, ...] = ('train', 'val', 'test')) -> None:
    """Checks that the files and folders that the config's datasets name are there.

    Args:
        config: A config with ``train_dataloader`` and so on.
        splits: Which of them to check.

    Raises:
        UserError: A path is missing; the message says which dataset wants it.
    """
    for split in splits:
        loader = config.get(f'{split}_dataloader') or {}
        for key, dataset in _leaf_datasets(f'{split}_dataloader.dataset', loader.get('dataset')):
            for path in _paths(dataset):
                if not path.exists():
                    raise UserError(
                        f'{key} ({dataset.get("type")}) expects {path}, which does not exist. '
                        f'Prepare the data or set {key}.data_root with --cfg-options.' + _digits_hint(path))


def _leaf_datasets(key: str, cfg: dict | None) -> Iterator[tuple[str, ConfigDict]]:
    """The datasets inside wrappers such as RepeatDataset and ConcatDataset, each with its key in the config."""
    if not cfg:
        return
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
