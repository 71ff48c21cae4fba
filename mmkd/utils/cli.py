"""What the command-line tools share."""
import functools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from mmengine.config import Config, ConfigDict

from .errors import UserError


def one_line_errors(main: Callable[[], None]) -> Callable[[], None]:
    """Decorates a tool's ``main``: a :class:`UserError` becomes one line on stderr and exit status 2."""

    @functools.wraps(main)
    def wrapped() -> None:
        try:
            main()
        except UserError as error:
            print(f'error: {error}', file=sys.stderr)
            sys.exit(2)
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
        loader = config.get(f'{split}_dataloader')
        for dataset in _leaf_datasets(loader.get('dataset') if loader else None):
            for path in _paths(dataset):
                if '://' not in str(path) and not path.exists():
                    raise UserError(
                        f'{split}_dataloader ({dataset.get("type")}) expects {path}, which does not exist. '
                        f'Prepare the data or set {split}_dataloader.dataset.data_root with --cfg-options.'
                        + _digits_hint(path))


def _leaf_datasets(cfg: dict | None) -> Iterator[ConfigDict]:
    """The datasets inside wrappers such as RepeatDataset and ConcatDataset."""
    if not cfg:
        return
    inner = cfg.get('datasets') or ([cfg['dataset']] if 'dataset' in cfg else None)
    if inner is None:
        yield cfg
    else:
        for item in inner:
            yield from _leaf_datasets(item)


def _paths(dataset: dict) -> Iterator[Path]:
    root = dataset.get('data_root') or ''
    prefix = dataset.get('data_prefix') or ''
    parts = list(prefix.values()) if isinstance(prefix, dict) else [prefix]
    if root:
        yield Path(root)
    for part in [*parts, dataset.get('ann_file') or '']:
        if part:
            yield Path(root) / part


def _digits_hint(path: Path) -> str:
    if 'digits' not in path.parts:
        return ''
    return ' The digits are made by: python tools/dataset_converters/digits.py'
