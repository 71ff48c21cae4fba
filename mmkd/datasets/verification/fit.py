"""Whether the data sets of a run fit each other, its model, and the checkpoints that know their classes.

Lists, folders and annotation files are compared, and no image is read, but for a sample that :mod:`.overlap` names.
"""
import inspect
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from mmkd.datasets.annotation_lists import list_problems, read_list
from mmkd.datasets.junk import is_junk

from .class_names import Classes, classes_of_dataset, classes_of_metric, compared, contradiction, reordered
from .finding import Finding
from .overlap import overlap
from .survey import Survey, leaves, survey


def class_findings(datasets: Mapping[str, Any], class_count: int | None = None,
                   metrics: Mapping[str, Sequence[Any]] | None = None,
                   known: Iterable[Classes] = (), started: Iterable[Classes] = ()) -> Iterator[Finding]:
    """Compares names, order and range of the classes.

    Args:
        datasets: ``'train'``, ``'val'``, ``'test'`` to data set; the first one is what the others are compared with.
        class_count: How many classes the model has.
        metrics: Split to the metrics of its evaluator.
        known: Classes of checkpoints whose labels have to be those of the data.
        started: Classes of checkpoints that a training begins with, which may be others.

    Yields:
        What does not fit; nothing if all does.
    """
    everything: list[tuple[str, Any, Survey, Classes]] = []
    for split, dataset in datasets.items():
        parts = list(leaves(dataset))
        for number, leaf in enumerate(parts):
            where = f'{split}_dataloader' + (f' (data set {number})' if len(parts) > 1 else '')
            listed = Survey(0) if hasattr(leaf, 'cat_ids') else survey(leaf)  # boxes have no labels to look at
            everything.append((where, leaf, listed, classes_of_dataset(where, leaf, listed)))
    own = []
    for where, leaf, listed, classes in everything:
        problem = contradiction(classes)
        if problem is None or problem.level != 'error':
            own += [classes] if classes.declared or classes.found else []  # one that is wrong in itself is not compared
        yield from filter(None, (
            problem, _ignored_split(where, leaf), _hidden_images(where, leaf, listed),
            _absent(classes, listed) if where.startswith('train') else None,
            _out_of_range(classes, leaf, listed, class_count)))
    yield from _zero_labels({where: getattr(leaf, 'reduce_zero_label', None) for where, leaf, *_ in everything})
    for other in own[1:]:
        yield from filter(None, [compared(own[0], other)])
    for classes in known:
        yield from filter(None, [compared(classes, own[0])] if own else [])
    for classes in started:
        yield from filter(None, [reordered(classes, own[0])] if own else [])
    yield from _metric_findings(own, metrics or {})


def fit_findings(datasets: Mapping[str, Any], class_count: int | None, metrics: Mapping[str, Sequence[Any]],
                 known: Iterable[Classes], started: Iterable[Classes], bank: Any = None) -> Iterator[Finding]:
    """:func:`class_findings`, where validation may go by a bank of labelled images.

    Args:
        datasets: As there.
        class_count: As there.
        metrics: As there.
        known: As there.
        started: As there.
        bank: The labelled images; the others but the training images have its classes, whatever the model's are.

    Yields:
        What does not fit.
    """
    if bank is None:
        yield from class_findings(datasets, class_count, metrics, known, started)
        return
    train = {split: dataset for split, dataset in datasets.items() if split == 'train'}
    if train:
        yield from class_findings(train, class_count, {}, known, started)
    yield from class_findings(dict(bank=bank) | {
        split: dataset for split, dataset in datasets.items() if split != 'train'})


def _zero_labels(reduced: dict[str, bool | None]) -> Iterator[Finding]:
    """mmseg's ``reduce_zero_label`` moves every label by one."""
    if {True, False} <= set(reduced.values()):
        yield Finding('error', 'reduce_zero_label expects the same value for all data sets, got '
                      f'{", ".join(f"{value} of {where}" for where, value in reduced.items())}.')


def _metric_findings(own: list[Classes], metrics: Mapping[str, Sequence[Any]]) -> Iterator[Finding]:
    for split, items in metrics.items():
        classes = next((c for c in own if c.where.startswith(f'{split}_')), None)
        for metric in items if classes else ():
            theirs = classes_of_metric(f'the annotation file of {split}_evaluator', metric, list(classes.declared))
            if theirs is not None:
                yield from filter(None, (contradiction(theirs) if theirs.numbered != len(classes.declared) else None,
                                         compared(classes, theirs)))


def overlap_findings(datasets: Mapping[str, Any], bank: Any = None) -> Iterator[Finding]:
    """Says how many images of the other data sets are training images, or in the bank that these are compared with.

    Args:
        datasets: As for :func:`class_findings`.
        bank: The labelled images of a validation by features, which may be training images.

    Yields:
        One finding for each data set that can be compared.
    """
    if bank is not None:
        others = {split: survey(dataset) for split, dataset in datasets.items() if split != 'train'}
        yield from filter(None, [overlap(survey(bank), other, split, 'bank') for split, other in others.items()])
    if 'train' not in datasets or len(datasets) < 2:
        return
    train = survey(datasets['train'])
    for split, dataset in datasets.items():
        if split != 'train':
            yield from filter(None, [overlap(train, survey(dataset), split)])


def _ignored_split(where: str, dataset: Any) -> Finding | None:
    """mmpretrain's MNIST reads by ``test_mode`` and takes ``split`` for nothing but a name."""
    split, testing = getattr(dataset, 'split', None), getattr(dataset, 'test_mode', None)
    if split not in ('train', 'val', 'test') or testing is None or testing == (split != 'train'):
        return None
    try:
        source = inspect.getsource(type(dataset).load_data_list)
    except (OSError, TypeError):
        return None
    if 'self.test_mode' not in source or 'self.split' in source:
        return None
    read = 'test' if testing else 'training'
    return Finding('error', f'{where}: {type(dataset).__name__} with split={split!r} and test_mode={testing} reads the '
                   f'{read} images, since it goes by test_mode alone. Set test_mode={not testing}, or split to what '
                   'it reads.')


def _hidden_images(where: str, dataset: Any, listed: Survey) -> Finding | None:
    """Copies that editors keep in hidden folders are training images too."""
    prefix = getattr(dataset, 'data_prefix', None)
    root = str(prefix.get('img_path') or '') if isinstance(prefix, Mapping) else ''
    folders = getattr(dataset, 'folder_to_idx', None) or {}
    root = f'{os.path.realpath(root) if "://" not in root else root.rstrip("/")}/'
    hidden = [key for key in listed.keys if key.startswith(root) and any(
        is_junk(part) for part in key.removeprefix(root).split('/')[:-1] if part not in folders)]
    if not hidden:
        return None
    return Finding('warning', f'{where}: {len(hidden)} of {len(listed.keys)} images lie in hidden folders, such as '
                   f'{hidden[0]}. Delete these folders.')


def _absent(classes: Classes, listed: Survey) -> Finding | None:
    names = classes.found if classes.source == 'folders' else classes.declared
    if not names or not listed.labels or not listed.complete:
        return None
    seen = listed.classes_seen()
    absent = [name for name, label in names.items() if label not in seen]
    if not absent:
        return None
    few = ', '.join(map(repr, absent[:3])) + (' …' if len(absent) > 3 else '')
    return Finding('warning', f'{classes.where} has no image of {len(absent)} of {len(names)} classes ({few}), which '
                   'cannot be learnt. Add images of them, or take them out of the classes.')


def _out_of_range(classes: Classes, dataset: Any, listed: Survey, class_count: int | None) -> Finding | None:
    """A label that the model or the list of classes does not have, with its line where it is in a list."""
    sizes = [size for size in (class_count, classes.size or None) if size]
    if not sizes:
        return None
    if not listed.labels:
        things_only = class_count == 1 or 'thing_classes' in (getattr(dataset, 'metainfo', None) or {})  # RPN, panoptic
        if class_count and classes.size > class_count and not things_only:
            return Finding('error', f'{classes.where} has {classes.size} classes, but the model {class_count}. '
                           f'Set num_classes of its head to {classes.size}.')
        return None
    size, seen = min(sizes), listed.classes_seen()
    wrong = sorted(label for label in seen if not 0 <= label < size)
    ann_file = getattr(dataset, 'ann_file', None)
    by_lines = any(kind.__name__ == 'CustomDataset' for kind in type(dataset).__mro__) and ann_file
    if by_lines and (wrong or not listed.complete):
        for line, problem in list_problems(read_list(ann_file), size):
            return Finding('error', f'{classes.where}: {ann_file}, line {line}: {problem}. Mend the list, or set '
                           'num_classes of the head and the classes of the data.')
    if not wrong:
        return None
    return Finding('error', f'{classes.where} has the label {wrong[-1]}, but there are {size} classes, 0 to {size - 1}.'
                   ' Mend the labels, or set num_classes of the head and the classes of the data.')
