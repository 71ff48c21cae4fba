"""Images that are in two data sets: by their paths, and a sample of them by their contents."""
import hashlib
import os
from collections import defaultdict

from mmengine.fileio import get

from mmkd.datasets.archives.archive import PREFIX, split_uri

from .finding import Finding
from .survey import Survey, spread

SIZED = 50_000  # files of each data set whose sizes are compared
READ = (256, 1024)  # files that are read, of the validation and of the training set
MANY = 0.1  # the share from which on the figures are worth nothing


def overlap(train: Survey, other: Survey, split: str, known: str = 'training') -> Finding | None:
    """How many images of a validation or test set are training images.

    Args:
        train: The training set's list.
        other: The other list.
        split: Its name.
        known: What the images of the first list are called.

    Returns:
        How many coincide, of how many that were compared, and how; None if one of them has no list.
    """
    if not train.keys or not other.keys:
        return None
    paths = set(train.keys)
    same = sum(key in paths for key in other.keys)
    by_pixels = '/' not in other.keys[0]
    looked = 'by their pixels' if by_pixels else 'by path'
    text = f'{_share(other)} {split} images were compared with {_share(train)} {known} images {looked}'
    count, total = float(same), len(other.keys)
    parts = [f'{same} coincide']
    if not by_pixels and same < MANY * total:
        hits, read, counterparts, alike = _copies(list(train.keys),
                                                  [key for key in other.keys if key not in paths])
        parts.append(f'of {alike} others with the size of a {known} image, {read} were compared with {counterparts} '
                     f'by their contents: {hits} coincide' if read else f'no other has the size of a {known} image')
        count += hits * alike / max(read, 1)
    share = count / total / min(len(train.keys) / max(train.total, 1), 1)
    if not count:
        return Finding('ok', f'{text}: {"; ".join(parts)}.')
    level = 'error' if share >= MANY else 'warning'
    return Finding(level, f'{text}: {"; ".join(parts)}. Figures on {known} images say nothing of new ones: '
                   f'check data_root, ann_file and split (with MNIST also test_mode) of {split}_dataloader.')


def _share(listed: Survey) -> str:
    return f'{len(listed.keys):,}' + ('' if listed.complete else f' of the {listed.total:,}')


def _copies(train: list[str], other: list[str]) -> tuple[int, int, int, int]:
    """Files of the same contents: how many, of how many that were read, against how many, of how many of one size."""
    by_size = defaultdict(list)
    for path in _some(train, SIZED):
        by_size[_size(path)].append(path)
    by_size.pop(None, None)
    alike = [(path, size) for path in _some(other, SIZED) if (size := _size(path)) in by_size]
    chosen = _some(alike, READ[0])
    theirs = _some([path for size in sorted({size for _, size in chosen}) for path in by_size[size]], READ[1])
    hashes = {_hash(path) for path in theirs} - {None}
    return sum(_hash(path) in hashes for path, _ in chosen), len(chosen), len(theirs), len(alike)


def _some(items: list, most: int) -> list:
    return [items[i] for i in spread(len(items), most)]


def _size(path: str) -> int | None:
    try:
        if path.startswith(PREFIX):
            archive, name = split_uri(path)
            return archive.size(name) if archive.is_file(name) else None
        return None if '://' in path else os.stat(path).st_size
    except (OSError, ValueError):
        return None  # loading it will say what is wrong


def _hash(path: str) -> bytes | None:
    try:
        return hashlib.sha1(get(path), usedforsecurity=False).digest()
    except (OSError, ValueError):
        return None
