"""Which label every class has, by what a data set says and by what it reads; and whether two agree."""
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mmkd.datasets.junk import is_junk

from .categories import category_names
from .finding import Finding
from .survey import Survey


@dataclass(frozen=True)
class Classes:
    """The classes of a data set, a checkpoint or a metric.

    Args:
        where: What they are of, for messages.
        declared: The names that it says, each with its label.
        found: The names of the folders or categories that the labels come from.
        source: What these are: ``'folders'``, ``'categories'`` or ``'listed folders'``.
        numbered: How many labels the folders or categories make; more than names where two have the same.
    """
    where: str
    declared: dict[str, int] = field(default_factory=dict)
    found: dict[str, int] = field(default_factory=dict)
    source: str = ''
    numbered: int = 0

    @property
    def size(self) -> int:
        """How many classes there are."""
        return max(self.numbered, len(self.declared))


def classes_named(where: str, names: Sequence[str]) -> Classes:
    """Classes of which nothing but the names is known, in the order of their labels."""
    return Classes(where, _numbered(names))


def classes_of_dataset(where: str, dataset: Any, listed: Survey) -> Classes:
    """The classes of one data set.

    Args:
        where: What it is, for messages.
        dataset: A data set without wrappers.
        listed: What its list says.
    """
    declared = _numbered((getattr(dataset, 'metainfo', None) or {}).get('classes'))
    folders, ids = getattr(dataset, 'folder_to_idx', None), getattr(dataset, 'cat_ids', None)
    if isinstance(folders, Mapping):
        return Classes(where, declared, dict(folders), 'folders', len(folders))
    if isinstance(ids, Sequence) and isinstance(getattr(dataset, 'ann_file', None), str):
        names = dict(category_names(dataset.ann_file))
        return Classes(where, declared, {names[i]: label for label, i in enumerate(ids) if i in names}, 'categories',
                       len(ids))
    if getattr(dataset, 'ann_file', None):
        return Classes(where, declared, listed.folders(), 'listed folders')
    return Classes(where, declared)


def classes_of_metric(where: str, metric: Any, declared: Sequence[str]) -> Classes | None:
    """The categories of the annotation file that a COCO metric compares with, as far as the data set names them."""
    file = getattr(metric, '_coco_api', None)
    rows = getattr(file, 'dataset', {}).get('categories') if file is not None else None
    if not rows or not declared:
        return None
    names = [row['name'] for row in rows if row['name'] in set(declared)]
    return Classes(where, _numbered(declared), {name: i for i, name in enumerate(names)}, 'categories', len(names))


def classes_of_checkpoint(where: str, checkpoint: object) -> Classes | None:
    """The classes that a checkpoint names; None if it names none."""
    meta = checkpoint.get('meta') if isinstance(checkpoint, Mapping) else None
    if not isinstance(meta, Mapping):
        return None
    data = meta.get('dataset_meta')
    names = data.get('classes', data.get('CLASSES')) if isinstance(data, Mapping) else meta.get('CLASSES')
    found = meta.get('label_names')
    found = found if isinstance(found, Mapping) else {}
    result = Classes(where, _numbered(names), dict(found.get('names') or {}), str(found.get('source', '')))
    return result if result.declared or result.found else None


def compared(reference: Classes, other: Classes) -> Finding | None:
    """Whether two sets of classes have the same labels.

    Args:
        reference: What the labels should be.
        other: What they are elsewhere.

    Returns:
        What differs; None if nothing does, or nothing is known.
    """
    partial = 'listed folders' in (reference.source, other.source)
    crossed = reference.found or reference.declared, other.found or other.declared
    pairs = [(reference.found, other.found, partial, False), (reference.declared, other.declared, False, True),
             (*crossed, partial, True)]
    pairs = [pair for pair in pairs if pair[0] and pair[1]]
    for one, two, some, only_names in pairs:
        one, two = _by_folded_name(one, two)
        if set(one) & set(two):
            problem = _difference(reference.where, other.where, one, two, some, only_names)
            return Finding(*problem) if problem else None
    if not pairs or pairs[0][2]:
        return None
    return Finding('warning', f'the classes of {other.where} ({_some(pairs[0][1])}) and of {reference.where} '
                   f'({_some(pairs[0][0])}) have no name in common, so their order cannot be compared.')


def reordered(start: Classes, other: Classes) -> Finding | None:
    """Whether a training begins with a classifier of the same classes in another order; other classes are no fault."""
    problem = compared(start, other)
    one, two = _by_folded_name(start.found or start.declared, other.found or other.declared)
    return Finding('warning', problem.text) if problem is not None and set(one) == set(two) else None


def contradiction(classes: Classes) -> Finding | None:
    """Whether the names that a data set says are those of the folders or categories that it reads."""
    junk = [name for name in classes.found if is_junk(name)]
    if junk:
        return Finding('error', f'{classes.where} takes {", ".join(map(repr, junk))} for a class, and so gives '
                       f'{_after(classes, junk)} another label. Delete that folder.')
    names, size = classes.found, len(classes.declared)
    if classes.source == 'categories' and size and classes.numbered != size:
        lost = [name for name in classes.declared if name not in names]
        return Finding('error', f'{classes.where} expects the {size} classes of its metainfo among the categories of '
                       f'its annotation file, got {classes.numbered}'
                       + (f' (missing: {_some(lost)})' if lost else ' (some names are there twice)')
                       + '. Set metainfo=dict(classes=…) to the names in the file, or mend the file.')
    if not names or not size:
        return None
    one, two = _by_folded_name(classes.declared, names)
    moved = [name for name in one if name in two and one[name] != two[name]]
    if not moved:
        return None
    name = moved[0]
    level = 'warning' if classes.source == 'categories' else 'error'
    return Finding(level, f'{classes.where}: label {two[name]} is read from the {classes.source} as {name!r}, but its '
                   f'classes call it {_name_of(classes.declared, two[name])!r}; {len(moved)} of {size} differ. '
                   f'Write classes in the order of the {classes.source}: {_some(names, 5)}.')


def _difference(reference: str, other: str, one: dict[str, int], two: dict[str, int],
                partial: bool, declared: bool) -> tuple[str, str] | None:
    """Level and text.

    A class that is only called otherwise has the right label, if nothing but lists of names are compared; another
    folder or category may be another class.
    """
    moved = [name for name in two if name in one and one[name] != two[name]]
    lost = [] if partial else [name for name in one if name not in two]
    new = [name for name in two if name not in one]
    if partial:
        new = []
    parts = []
    if moved:
        some = '; '.join(f'{name!r} is {two[name]} in {other} and {one[name]} in {reference}' for name in moved[:3])
        parts.append(f'{len(moved)} of {len(set(one) & set(two))} classes have another label than in {reference}: '
                     f'{some}{" …" if len(moved) > 3 else ""}')
    if lost:
        parts.append(f'missing: {_some(lost)}')
    if new:
        parts.append(f'only there: {_some(new)}')
    if not parts:
        return None
    level = 'error' if moved or (new and (not declared or len(two) > len(one))) else 'warning'
    advice = ('Give both the same classes: the same folders, or classes (metainfo) and annotations in the same order.'
              if level == 'error' else 'All other classes have the same label.')
    return level, f'{other}: {"; ".join(parts)}. {advice}'


def _by_folded_name(one: dict[str, int], two: dict[str, int]) -> tuple[dict[str, int], dict[str, int]]:
    """Both by names without upper case and separators, where that mixes none up."""
    folded = [{_fold(name): label for name, label in names.items()} for names in (one, two)]
    return (folded[0], folded[1]) if (len(folded[0]), len(folded[1])) == (len(one), len(two)) else (one, two)


def _fold(name: str) -> str:
    return ' '.join(name.casefold().replace('_', ' ').replace('-', ' ').split())


def _numbered(names: object) -> dict[str, int]:
    if not isinstance(names, Sequence) or isinstance(names, str):
        return {}
    result: dict[str, int] = {}
    for label, name in enumerate(map(str, names)):  # ImageNet has two cranes
        result[f'{name} ({label})' if name in result else name] = label
    return result


def _name_of(names: Mapping[str, int], label: int) -> str | None:
    return next((name for name, number in names.items() if number == label), None)


def _after(classes: Classes, junk: list[str]) -> str:
    first = min(classes.found[name] for name in junk)
    count = sum(label > first and name not in junk for name, label in classes.found.items())
    return f'{count} other{"" if count == 1 else "s"}'


def _some(names: Sequence[str] | Mapping[str, int], most: int = 3) -> str:
    listed = list(names)
    return ', '.join(map(repr, listed[:most])) + (f' … ({len(listed)} in all)' if len(listed) > most else '')
