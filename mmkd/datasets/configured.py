"""Whether the data that a config names are there, before a run asks for them."""
from collections.abc import Iterator
from pathlib import Path

from mmengine.config import Config, ConfigDict

from mmkd.utils.building.build import type_name
from mmkd.utils.command_line.tool_paths import tool_path
from mmkd.utils.errors import UserError

from .annotation_lists import check_configured_list
from .empty_folders import check_not_empty
from .fashion_mnist import check_fashion_files

RGB_SETS = ('CIFAR10', 'CIFAR100')  # mmpretrain's other data sets give BGR, or grey
DOWNLOADING = ('CIFAR10', 'CIFAR100', 'MNIST', 'FashionMNIST')  # mmpretrain fetches their data when it needs them
MADE = dict(digits='The digits are', fashion='Fashion-MNIST and its scenes are')  # by the scripts of these names
MEND = 'set {key}.data_root with --cfg-options'  # in the tools that have the option


def check_data_exists(config: Config, splits: tuple[str, ...] = ('train', 'val', 'test'), mend: str = MEND) -> None:
    """Checks that the files and folders that the config's datasets name are there, and that images and lists are such.

    Args:
        config: A config with ``train_dataloader`` and so on.
        splits: Which of them to check.
        mend: What else helps than to prepare the data, for the message; ``{key}`` is the dataset's.

    Raises:
        UserError: A path is missing or a list is wrong; the message says which dataset wants it.
    """
    for where, loader in _loaders(config, splits):
        if loader is None:
            continue
        if not isinstance(loader, dict) or loader.get('dataset') is None:
            raise UserError(f'{where} expects a dict with a dataset, got {loader!r}. Write '
                            'dict(batch_size=…, dataset=…).')
        _check_samplers(where, loader)
        for key, dataset in _leaf_datasets(f'{where}.dataset', loader['dataset']):
            for name in ('data_root', 'data_prefix', 'ann_file'):
                value = dataset.get(name) or ''
                parts = list(value.values()) if isinstance(value, dict) else [value]
                if not all(isinstance(part, str | Path) for part in parts):
                    raise UserError(f'{key}.{name} expects a path, got {value!r}. Write it as text.')
            for path in _paths(dataset):
                if not path.exists():
                    raise UserError(
                        f'{key} ({dataset.get("type")}) expects {path}, which does not exist. '
                        f'Prepare the data or {mend.format(key=key)}.' + _maker_hint(path))
            if type_name(dataset) == 'FashionMNIST' and not dataset.get('download', True):
                check_fashion_files(key, Path(dataset.get('data_root') or '', _folder(dataset)))
            check_not_empty(key, dataset)
            check_configured_list(key, dataset)


def validation_split(config: Config) -> str | None:
    """``'val'``, or ``'test'`` where a config has no data loader for that; None without either."""
    return next((split for split in ('val', 'test') if config.get(f'{split}_dataloader')), None)


def gives_rgb(config: Config, split: str | None) -> bool:
    """Whether the data of a split are images in RGB, and not in OpenCV's order."""
    dataset = (config.get(f'{split}_dataloader') or {}).get('dataset')
    return any(type_name(leaf) in RGB_SETS for _, leaf in _leaf_datasets(f'{split}_dataloader.dataset', dataset))


def dataset_of(config: Config, split: str) -> dict | None:
    """The config of a data set inside its wrappers; None where a config has none of this split."""
    cfg = (config.get(f'{split}_dataloader') or {}).get('dataset')
    cfg = None if cfg is None else ConfigDict(cfg).to_dict()
    while cfg and 'dataset' in cfg:  # in a wrapper
        cfg = cfg['dataset']
    return cfg


def _loaders(config: Config, splits: tuple[str, ...]) -> Iterator[tuple[str, object]]:
    """The data loaders that a config has for these splits, with their keys; those of a bank of images, too."""
    for split in splits:
        yield f'{split}_dataloader', config.get(f'{split}_dataloader')
        if isinstance(config.get(f'{split}_cfg'), dict):
            yield f'{split}_cfg.bank_dataloader', config[f'{split}_cfg'].get('bank_dataloader')


def _check_samplers(where: str, loader: dict) -> None:
    """PyTorch takes any text or list for a sampler, and training data in their order where there is none."""
    ordered = 'sampler' in loader and loader['sampler'] is loader.get('batch_sampler') is None
    if where == 'train_dataloader' and ordered and not loader.get('shuffle'):
        raise UserError('train_dataloader.sampler expects a dict, got None: the images would come in the same order in '
                        "each epoch, and in each process. Write dict(type='DefaultSampler', shuffle=True).")
    for name in ('sampler', 'batch_sampler'):
        if isinstance(loader.get(name), str | int | float | list | tuple):
            raise UserError(f'{where}.{name} expects a dict, got {loader[name]!r}. Write '
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


def _folder(dataset: dict) -> str:
    """The folder of a data set that has one, below its root."""
    prefix = dataset.get('data_prefix') or ''
    return next(iter(prefix.values()), '') if isinstance(prefix, dict) else prefix


def _maker_hint(path: Path) -> str:
    """Which script makes the data of this folder, if one does."""
    made = next((name for name in MADE if name in path.parts), None)
    return f' {MADE[made]} made by: python {tool_path(f"dataset_converters/{made}.py")}' if made else ''
