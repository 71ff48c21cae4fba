"""What a data set's list says of its images: which they are, and their labels. No image is read."""
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

MOST = 100_000  # entries that are looked at, evenly spread over a longer list
REPEATING = ('RepeatDataset', 'ClassBalancedDataset')


@dataclass
class Survey:
    """The entries of a data set that were looked at.

    Args:
        total: How many images it has.
        keys: What identifies each of them: its path, or a hash of its pixels where they are in the list.
        labels: The classes of each; empty where there are boxes or maps.
    """
    total: int
    keys: list[str] = field(default_factory=list)
    labels: list[tuple[int, ...]] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether all images were looked at."""
        return len(self.keys) == self.total

    def classes_seen(self) -> set[int]:
        """All labels."""
        return {label for labels in self.labels for label in labels}

    def folders(self) -> dict[str, int]:
        """The name of each image's folder to the label, if every folder has one label and every label one folder."""
        pairs: dict[str, int] = {}
        for key, labels in zip(self.keys, self.labels):
            folder = os.path.dirname(key)
            if len(labels) != 1 or not folder or pairs.setdefault(folder, labels[0]) != labels[0]:
                return {}
        names = {os.path.basename(folder): label for folder, label in pairs.items()}
        return names if len(names) == len(pairs) == len(set(pairs.values())) > 1 else {}


def survey(dataset: Any, most: int = MOST) -> Survey:
    """Looks at a data set's list.

    Args:
        dataset: A data set of the OpenMMLab family, or a wrapper that repeats, joins or chooses.
        most: How many entries to look at.

    Returns:
        What it says; nothing of data sets that have no list.
    """
    dataset, chosen = _source(dataset)
    if dataset is None:
        return Survey(0)
    count = len(dataset) if chosen is None else len(chosen)
    result, real = Survey(count), {}
    for number in spread(count, most):
        info = dataset.get_data_info(int(number) if chosen is None else int(chosen[number]))
        key = _key(info, real)
        if key is None:
            return Survey(0)
        result.keys.append(key)
        labels = np.atleast_1d(np.asarray(info.get('gt_label', '')))
        if labels.dtype.kind in 'iub' or not labels.size:  # text of a caption is no label
            result.labels.append(tuple(labels.astype(int).tolist()))
    if len(result.labels) != len(result.keys):
        result.labels = []
    return result


def spread(count: int, most: int) -> list[int]:
    """At most so many of the numbers from 0 to ``count``, evenly spaced."""
    return list(range(count)) if count <= most else np.linspace(0, count - 1, most).astype(int).tolist()


def leaves(dataset: Any) -> Iterator[Any]:
    """The data sets inside wrappers."""
    inner = getattr(dataset, 'datasets', None) or ([dataset.dataset] if hasattr(dataset, 'dataset') else [])
    if not inner:
        yield dataset
    for item in inner:
        yield from leaves(item)


def _source(dataset: Any) -> tuple[Any, Any]:
    """The data set to ask for entries, and which of them count, where not all do."""
    chosen = None
    while not hasattr(dataset, 'get_data_info') or type(dataset).__name__ in REPEATING:
        inner = getattr(dataset, 'dataset', None)
        if inner is None:
            return None, None
        indices = getattr(dataset, 'indices', None)  # of torch's Subset
        if indices is not None:
            chosen = [indices[i] for i in chosen] if chosen is not None else list(indices)
        dataset = inner
    return dataset, chosen


def _key(info: dict, real: dict[str, str]) -> str | None:
    pixels, path = info.get('img'), info.get('img_path')
    if isinstance(pixels, np.ndarray):
        return hashlib.sha1(np.ascontiguousarray(pixels), usedforsecurity=False).hexdigest()
    if not isinstance(path, str | os.PathLike):
        return None
    folder, name = os.path.split(str(path))
    if folder not in real:  # links between folders are followed, those of single files are left to their contents
        real[folder] = folder if '://' in folder else os.path.realpath(folder)
    return os.path.join(real[folder], name)
