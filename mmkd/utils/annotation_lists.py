"""mmpretrain's annotation lists: one image a line, its path, a space and its class."""
import re
from collections.abc import Iterator, Mapping

from mmengine.fileio import exists, get, join_path

from .errors import UserError

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


def check_configured_list(key: str, dataset: Mapping) -> None:
    """Checks the annotation list of a classification data set, if its config names one.

    Every line is read. Of the images that it names, :data:`LOOKED_FOR`, evenly spread, are looked for.

    Args:
        key: Where the config has the data set.
        dataset: Its config.

    Raises:
        UserError: A line is wrong, or an image is not there; the message has the file and the line.
    """
    kind = dataset.get('type')
    names = {c.__name__ for c in kind.__mro__} if isinstance(kind, type) else {str(kind).rpartition('.')[2]}
    if not names & set(BY_LIST) or not dataset.get('with_label', True):
        return
    root, split = str(dataset.get('data_root') or ''), dataset.get('split') or ''
    prefix = dataset.get('data_prefix') or ('' if 'CustomDataset' in names else split)
    prefix = prefix.get('img_path', '') if isinstance(prefix, Mapping) else prefix
    path = dataset.get('ann_file')
    if not path and split and split != 'test' and exists(join_path(root, 'meta', f'{split}.txt')):
        path = f'meta/{split}.txt'
    if not path or not str(path).endswith('.txt'):
        return
    path = join_path(root, path)
    classes = (dataset.get('metainfo') or {}).get('classes') or dataset.get('classes')
    text = read_list(path)
    for line, problem in list_problems(text, len(classes) if isinstance(classes, list | tuple) else None):
        raise UserError(f'{key}: {path}, line {line}: {problem}. Mend the list.')
    _find_images(key, path, text, join_path(root, prefix))


def _find_images(key: str, path: str, text: str, folder: str) -> None:
    lines = list(entries(text))
    step = -(-len(lines) // LOOKED_FOR)
    for number, name, *_ in lines[::step]:
        image = join_path(folder, name)
        if '://' not in image and not exists(image):
            raise UserError(f'{key}: {path}, line {number}: expects the image {image}, which does not exist. Mend the '
                            'list, or set data_prefix to the folder that its paths begin at. '
                            f'tools/misc/verify_dataset.py list {folder or "."} --ann-file {path} finds all of them.')
