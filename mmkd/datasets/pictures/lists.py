"""Lists of pictures that outlive the folder's changes, and the damaged ones that do not come into them."""
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mmkd.datasets.verification.images import ImageFile, check_image
from mmkd.utils import UserError
from mmkd.utils.files.small import write_text

from .folders import Entry, Pictures

CHOICES = ('refuse', 'skip')
NAMED = 10  # damaged pictures in a message
THREADS = 8


def refuse_or_skip(pictures: Pictures, corrupt: str) -> None:
    """Looks at the first and last bytes of each picture, and decodes it where they do not settle whether it is whole.

    Args:
        pictures: The pictures; changed where damaged ones are skipped.
        corrupt: ``'refuse'`` or ``'skip'``.

    Raises:
        UserError: The choice is none of them, some are damaged and are not to be skipped, or too few are left.
    """
    if corrupt not in CHOICES:
        raise UserError(f'corrupt expects {" or ".join(CHOICES)}, got {corrupt!r}. Choose one.')
    entries = [*pictures.train, *pictures.val]
    with ThreadPoolExecutor(THREADS) as pool:
        found = pool.map(lambda entry: check_image(ImageFile(str(pictures.root / entry[0]))), entries)
        bad = {entry: problem for entry, problem in zip(entries, found, strict=True) if problem is not None}
    if not bad:
        return
    named = '; '.join(f'{problem.path} ({problem.text})' for problem in list(bad.values())[:NAMED])
    named += f' and {len(bad) - NAMED} more' if len(bad) > NAMED else ''
    if corrupt == 'refuse':
        raise UserError(f'data expects whole pictures, got {len(bad)} damaged: {named}. Mend or delete them, or train '
                        "without them (corrupt='skip', --corrupt skip).")
    pictures.train = [entry for entry in pictures.train if entry not in bad]
    pictures.val = [entry for entry in pictures.val if entry not in bad]
    lost = [name for number, name in enumerate(pictures.classes) if number not in {n for _, n in pictures.train}]
    if not pictures.train or lost:
        raise UserError(f'data expects whole pictures{f" of the class {lost[0]}" if lost else ""}, got damaged ones '
                        f'only: {named}. Add some.')
    what = 'damaged picture is' if len(bad) == 1 else 'damaged pictures are'
    pictures.notes.append(f'{len(bad)} {what} skipped: {named}')


def write_lists(pictures: Pictures, folder: Path) -> dict[str, Path]:
    """Writes ``train.txt`` and ``val.txt`` in mmpretrain's form, and ``classes.txt``.

    Args:
        pictures: The pictures.
        folder: Where they go; made if it is missing.

    Returns:
        ``'train'``, ``'val'`` and ``'classes'`` to the files that were written.

    Raises:
        UserError: There are lists of other pictures already, or a path cannot stand in one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    texts = {name: ''.join(_line(entry, bool(pictures.classes)) for entry in entries)
             for name, entries in (('train', pictures.train), ('val', pictures.val)) if entries}
    if pictures.classes:
        texts['classes'] = ''.join(f'{name}\n' for name in pictures.classes)
    for name, text in texts.items():
        path = folder / f'{name}.txt'
        if path.is_file() and path.read_text(encoding='utf-8') != text:
            raise UserError(f'{path} expects the pictures that the run began with, got others in {pictures.root}. Put '
                            'back what was there, or start anew in another folder.')
    for name, text in texts.items():
        write_text(folder / f'{name}.txt', text)
    return {name: folder / f'{name}.txt' for name in texts}


def _line(entry: Entry, labelled: bool) -> str:
    path, label = entry
    if '\n' in path or path != path.strip():
        raise UserError(f'data expects paths without line breaks and spaces at their ends, got {path!r}. Rename it.')
    return f'{path} {label}\n' if labelled else f'{path}\n'
