"""Where the images of a call come from: a folder of pictures, PyTorch data sets, or a config of a data set."""
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config, ConfigDict

from mmkd.datasets.classification.torch_dataset import check_class_order, label_of, own_classes, split_item
from mmkd.datasets.configured import gives_rgb
from mmkd.datasets.pictures import Pictures, divide, find_pictures, refuse_or_skip
from mmkd.experiments.run_logs import UncountedError, dataset_length
from mmkd.utils import UserError
from mmkd.utils.configs.finding import load_config
from mmkd.utils.given import Given

HERE = '{{ fileDirname }}'  # MMEngine puts the config's folder in its place
LISTS = 'lists'


@dataclass
class Source:
    """The data of a call.

    Args:
        train: Config of the training set, without a pipeline.
        val: Config of the validation set; None where there is none.
        images: How many there are to train on.
        classes: Their names; empty without labels, or where a config has boxes or maps.
        labelled: Whether the images have labels of any kind.
        pictures: What was found in a folder, whose lists are to be written.
        config: The config of a data set, whose loaders, pipelines and evaluators are taken as they are.
        rgb: Whether the images come in RGB, and not in BGR as files do.
        notes: What was decided, for the user to read.
    """
    train: dict
    val: dict | None
    images: int
    classes: tuple[str, ...] = ()
    labelled: bool = True
    pictures: Pictures | None = None
    config: Config | None = None
    rgb: bool = False
    notes: list[str] = field(default_factory=list)


def source_of(data: Any, labels: bool, val_share: float, seed: int, corrupt: str,
              classes: Sequence[str] | None) -> Source:
    """Finds out what ``data`` of a call is.

    Raises:
        UserError: It is none of the forms, or does not hold what it should.
    """
    if classes is not None and (isinstance(data, str | Path) or not labels):
        raise UserError(f'classes expects a torch Dataset with labels, got {data if labels else "labels=False"}. Leave '
                        'it out: a folder has its classes in the names of its folders, a config in its metainfo.')
    if isinstance(data, str | Path) and (str(data).endswith('.py') or '::' in str(data)):
        return _of_config(str(data))
    if isinstance(data, str | Path):
        return of_folder(data, labels, val_share, seed, corrupt, LISTS)
    parts = tuple(data) if isinstance(data, tuple) else (data, None)
    if len(parts) != 2 or not _is_dataset(parts[0]) or not (parts[1] is None or _is_dataset(parts[1])):
        raise UserError('data expects a folder, the config of a data set, a torch Dataset or a pair of two (to train, '
                        f'to validate), got {type(data).__name__}. Give one of these.')
    return _of_datasets(parts[0], parts[1], labels, classes)


def of_folder(folder: str | Path, labels: bool, val_share: float, seed: int, corrupt: str, lists: str) -> Source:
    """The pictures of a folder, divided and looked at; ``lists`` is where their lists will be, beside the config."""
    pictures = find_pictures(folder, labels)
    refuse_or_skip(pictures, corrupt)
    divide(pictures, val_share, seed)
    common: dict[str, Any] = dict(type='CustomDataset', data_root='', data_prefix=str(folder))
    if pictures.classes:
        common['metainfo'] = dict(classes=list(pictures.classes))
    else:
        common['with_label'] = False
    parts = {name: dict(common, ann_file=f'{HERE}/{lists}/{name}.txt') for name in ('train', 'val')}
    what = f'{len(pictures.classes)} classes' if pictures.classes else 'no classes'
    return Source(parts['train'], parts['val'], len(pictures.train), pictures.classes, bool(pictures.classes),
                  pictures, notes=[f'data: {folder}, {what}', *pictures.notes])


def _is_dataset(value: Any) -> bool:
    return hasattr(value, '__getitem__') and hasattr(value, '__len__') and not isinstance(
        value, str | Mapping | list | tuple)


def _of_datasets(train: Any, val: Any, labels: bool, classes: Sequence[str] | None) -> Source:
    if not len(train) or (val is not None and not len(val)):
        raise UserError('data expects data sets with images, got an empty one. Give another.')
    names = _given_names(classes) or (_names(train) if labels and split_item(train[0])[1] is not None else ())
    if labels and len(names) == 1:
        raise UserError(f'data expects two classes or more, got {names[0]!r} only. Add the others, or set '
                        'labels=False.')
    if labels:
        _check_order(names, train, val)
    common: dict[str, Any] = dict(type='mmkd.TorchDataset', classes=list(names) if names and labels else None)
    parts = [None if each is None else dict(common, source=Given(each, f'the data set that mmkd.distill was given to '
                                                                       f'{use}'))
             for each, use in ((train, 'train'), (val, 'validate'))]
    notes = [f'data: {type(train).__name__} with {len(train)} images, '
             f'{f"{len(names)} classes" if common["classes"] else "no classes"}']
    if val is None:
        notes.append('no data set to validate on was given: the weights of the last epoch are taken')
    return Source(parts[0], parts[1], len(train), names if labels else (), bool(common['classes']), notes=notes)


def _given_names(classes: Sequence[str] | None) -> tuple[str, ...]:
    if isinstance(classes, str) or not isinstance(classes or (), Iterable):
        raise UserError(f"classes expects the names of the classes, such as ['cat', 'dog'], got {classes!r}. Write a "
                        'list.')
    return tuple(map(str, classes or ()))


def _check_order(names: tuple[str, ...], train: Any, val: Any) -> None:
    """Checks that both data sets number the classes alike, and as they are named."""
    ours, theirs = own_classes(train), own_classes(val)
    other = next((pair for pair in zip(ours, theirs, strict=False) if len(set(pair)) > 1), None)
    if other is not None:
        raise UserError(f'data expects two data sets with one numbering of the classes, got {other[0]} to train where '
                        f'{other[1]} is to validate. Number the labels alike, and name the classes in one order.')
    for each in (train, val):
        check_class_order(each, names)


def _names(dataset: Any) -> tuple[str, ...]:
    """The classes of a data set: as it names them, or counted in its labels, if need be by reading every item."""
    own = own_classes(dataset)
    if own:
        return own
    labels = getattr(dataset, 'targets', None)
    if labels is None:
        labels = [split_item(dataset[number])[1] for number in range(len(dataset))]
    found = {label_of(label, number) for number, label in enumerate(np.asarray(labels).tolist())}
    return tuple(map(str, range(max(found) + 1)))


def _count(dataset: dict) -> int:
    with suppress(UncountedError):  # the data may be elsewhere, or something that only building them tells
        return dataset_length(dataset)
    return 0


def _of_config(name: str) -> Source:
    config = load_config(name)
    for key in ('train_dataloader', 'val_dataloader', 'val_evaluator'):
        if not config.get(key):
            raise UserError(f'data expects the config of a data set with {key}, got {name} without it. Add it.')
    train, val = (ConfigDict(config[f'{part}_dataloader']).to_dict()['dataset'] for part in ('train', 'val'))
    images = _count(train)
    _count(val)  # both lists are read before anything is built: one may be cut off
    return Source(train, val, images, config=config, rgb=gives_rgb(config, 'train'),
                  notes=[f'data: {name}, with its own pipelines and batch size'])
