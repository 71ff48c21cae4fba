"""mmpretrain's annotation lists: one image a line, its path, a space and its class."""
import re
from collections.abc import Iterator, Mapping

from mmengine.fileio import exists, get, isdir, join_path, list_dir_or_file

from mmkd.utils.errors import UserError

from .junk import is_junk

LOOKED_FOR = 1000
BY_LIST = ('CustomDataset', 'ImageNet', 'ImageNet21k')
_NUMBER = re.compile(r'-?[0-9]+')


def read_list(path: str) -> str:
    """Reads a list.

    Raises:
        UserError: It is no text.
    """
    try:
        return get(path).decode('utf-8')
    except UnicodeDecodeError as error:
        raise UserError(f'{path} expects lines of text in UTF-8, got other bytes at {error.start}. Save it as UTF-8.'
                        ) from error


def entries(text: str) -> Iterator[tuple[int, str, str, str]]:
    """Number, path, label and text of each line, as mmpretrain splits it."""
    for number, line in enumerate(text.removesuffix('\n').split('\n'), 1):
        name, _, label = line.strip().rpartition(' ')
        yield number, name, label, line


def list_problems(text: str, num_classes: int | None = None) -> Iterator[tuple[int, str]]:
    """What is wrong with the lines of a list.

    Args:
        text: The list.
        num_classes: How many classes there are, if that is known.

    Yields:
        Line number, from 1, and what was expected and found.
    """
    expected = f'expects a path, one space and a class from 0{f" to {num_classes - 1}" if num_classes else ""}'
    if not text.strip():
        yield 1, f'{expected}, but the list is empty'
        return
    if text.startswith('\ufeff'):
        yield 1, f'{expected}; a byte order mark comes first, and would be part of the path'
    for number, name, label, line in entries(text):
        problem = _problem(name, label, num_classes)
        if problem is not None:
            yield number, f'{expected}{problem}, got {line.rstrip()[:120]!r}'


def _problem(name: str, label: str, num_classes: int | None) -> str | None:
    if name and _NUMBER.fullmatch(label):
        number = int(label)
        if name != name.rstrip():
            return '; there is more white space between them'
        if name.endswith((',', ';')):
            return f'; there is {name[-1]!r} between them'
        return '' if number < 0 or (num_classes and number >= num_classes) else None
    if not name and not label:
        return '; the line is blank'
    for character, what in (('\t', 'a tab'), (',', 'a comma'), (';', 'a semicolon')):
        if character in label:
            return f'; there is {what} between them'
    return ''


def is_by_list(dataset: Mapping) -> bool:
    """Whether the data set of a config reads such a list, whatever the file is called."""
    return bool(_names(dataset) & set(BY_LIST))


def _names(dataset: Mapping) -> set[str]:
    kind = dataset.get('type')
    return {c.__name__ for c in kind.__mro__} if isinstance(kind, type) else {str(kind).rpartition('.')[2]}


def check_configured_list(key: str, dataset: Mapping) -> None:
    """Checks the annotation list or the class folders of a classification data set, as far as its config names them.

    Every line of a list is read. Of the images that it names, :data:`LOOKED_FOR`, evenly spread, are looked for.

    Args:
        key: Where the config has the data set.
        dataset: Its config.

    Raises:
        UserError: A line is wrong, or an image is not there: the message has the file and the line; or there are not
            as many folders as classes.
    """
    if not is_by_list(dataset) or not dataset.get('with_label', True) or dataset.get('split') == 'test':
        return
    root, split = str(dataset.get('data_root') or ''), dataset.get('split') or ''
    prefix = dataset.get('data_prefix') or split
    folder = join_path(root, prefix.get('img_path', '') if isinstance(prefix, Mapping) else prefix)
    path = dataset.get('ann_file') or (f'meta/{split}.txt' if split else '')
    path = join_path(root, path) if path and (dataset.get('ann_file') or exists(join_path(root, path))) else ''
    classes = (dataset.get('metainfo') or {}).get('classes') or dataset.get('classes')
    count = len(classes) if isinstance(classes, list | tuple) else None
    if not path:
        _count_folders(key, folder, count or (1000 if 'ImageNet' in _names(dataset) and classes is None else None))
        return
    text = read_list(path)
    for line, problem in list_problems(text, count):
        raise UserError(f'{key}: {path}, line {line}: {problem}. Mend the list.')
    _find_images(key, path, text, folder)


def _count_folders(key: str, folder: str, count: int | None) -> None:
    if count is None or not isdir(folder):
        return
    found = sorted(list_dir_or_file(folder, list_file=False))
    if len(found) != count:
        junk = [name for name in found if is_junk(name)]
        raise UserError(f'{key} expects one folder for each of {count} classes in {folder}, got {len(found)}'
                        + (f', among them {", ".join(junk)}, which no class is called. Delete it.' if junk else
                           '. Add what is missing, or set classes to those that are there.'))


def _find_images(key: str, path: str, text: str, folder: str) -> None:
    lines = list(entries(text))
    step = -(-len(lines) // LOOKED_FOR)
    for number, name, *_ in lines[::step]:
        image = join_path(folder, name)
        if '://' not in image and not exists(image):
            raise UserError(f'{key}: {path}, line {number}: expects the image {image}, which does not exist. Mend the '
                            'list, or set data_prefix to the folder that its paths begin at. '
                            f'tools/misc/verify_dataset.py list {folder or "."} --ann-file {path} finds all of them.')
