"""Data sets that find their images by suffix in a folder, and would find none."""
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from mmkd.utils.building.build import type_name
from mmkd.utils.errors import UserError

from .junk import is_junk

# mmpretrain's data sets that list folders, with their suffixes in any case; of mmseg's, those with a suffix by default.
FOLDERS = ('CustomDataset', 'ImageNet', 'ImageNet21k', 'ImageNetVariant', 'UnlabelledImages')
EXTENSIONS = ('.jpg', '.jpeg', '.png', '.ppm', '.bmp', '.pgm', '.tif')
SEGMENTATION = {'BaseSegDataset': '.jpg', 'ADE20KDataset': '.jpg', 'CityscapesDataset': '_leftImg8bit.png'}
LISTED = 5  # kinds of files that a message names


def check_not_empty(key: str, dataset: Mapping) -> None:
    """Checks that the folder of a data set without a list holds a file with a suffix that the data set looks for.

    Args:
        key: Where the config has the data set.
        dataset: Its config.

    Raises:
        UserError: It holds none; the message has the suffixes, and what is there.
    """
    name = type_name(dataset)
    root, prefix = str(dataset.get('data_root') or ''), dataset.get('data_prefix') or dataset.get('split') or ''
    if dataset.get('ann_file') or name not in (*FOLDERS, *SEGMENTATION):
        return
    if name in FOLDERS and dataset.get('split') and Path(root, 'meta', f'{dataset["split"]}.txt').is_file():
        return
    folder = os.path.join(root, prefix.get('img_path', '') if isinstance(prefix, Mapping) else prefix)
    if '://' in folder or not Path(folder).is_dir():
        return
    argument = 'extensions' if name in FOLDERS else 'img_suffix'
    suffixes = suffixes_of(dataset)
    ends = tuple(suffix.lower() for suffix in suffixes) if name in FOLDERS else suffixes
    if not any((file.lower() if name in FOLDERS else file).endswith(ends) for file in _files(folder)):
        raise UserError(f'{key} ({dataset.get("type")}) expects images that end in {", ".join(suffixes)} below '
                        f'{folder}, got {_contents(folder)}. Set {key}.{argument}, convert the images, or name another '
                        'folder.')


def suffixes_of(dataset: Mapping) -> tuple[str, ...]:
    """What the files end with that a data set without a list reads; an empty text if that is unknown."""
    name = type_name(dataset)
    own = (*EXTENSIONS, '.tiff', '.webp') if name == 'UnlabelledImages' else EXTENSIONS
    wanted = (dataset.get('extensions') or own) if name in FOLDERS else (
        dataset.get('img_suffix') or SEGMENTATION.get(name, ''))
    return (wanted, ) if isinstance(wanted, str) else tuple(wanted)


def _files(folder: str) -> Iterator[str]:
    for _, folders, files in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not is_junk(name))
        yield from (name for name in files if not is_junk(name))


def _contents(folder: str) -> str:
    """``'12 .webp, 1 .txt, 2 without a suffix'``, or ``'no file at all'``."""
    counts = Counter(Path(name).suffix for name in _files(folder))
    kinds = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    kinds_text = [f'{count} {suffix or "without a suffix"}' for suffix, count in kinds[:LISTED]]
    more = sum(count for _, count in kinds[LISTED:])
    return ', '.join(kinds_text) + (f' and {more} others' if more else '') if kinds_text else 'no file at all'
