"""Finding pictures and their classes in a folder."""
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mmkd.datasets.empty_folders import EXTENSIONS
from mmkd.datasets.junk import is_junk
from mmkd.utils import UserError

READ = (*EXTENSIONS, '.webp')  # mmpretrain's own walk leaves .webp out, but its loader reads it from a list
TRAIN = ('train', 'training')
VAL = ('val', 'valid', 'validation')
TEST = ('test', )  # validates where there is none of these
Entry = tuple[str, int]  # a path below the root, with slashes, and a class


@dataclass
class Pictures:
    """Pictures below a folder.

    Args:
        root: The folder.
        classes: The names of the classes in the order of their numbers; empty where there are none.
        train: Those to train on; the class is 0 where there are none.
        val: Those to validate on.
        notes: What was decided, for the user to read.
    """
    root: Path
    classes: tuple[str, ...]
    train: list[Entry]
    val: list[Entry] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def find_pictures(folder: str | Path, labels: bool = True) -> Pictures:
    """Finds the pictures of a folder: ``train`` and ``val`` with a subfolder a class, classes alone, or pictures alone.

    Hidden folders, and those that systems leave (``__MACOSX``), are passed over. The classes are numbered in the order
    of the training folders' names. Beside ``train`` other pictures than those to validate on are left out, or refused
    where it has no subfolders with pictures: it might be a class.

    Args:
        folder: The folder.
        labels: Whether subfolders are classes; without, all pictures at any depth are one heap.

    Returns:
        The pictures; ``val`` is empty where there is no folder for it.

    Raises:
        UserError: There is no such folder, it holds no pictures, or its classes are not two or more that fit.
    """
    root = Path(folder)
    if not root.is_dir():
        raise UserError(f'data expects a folder of pictures, got {folder}, which '
                        f'{"is a file" if root.exists() else "does not exist"}. Name another one.')
    folders = _folders(root)
    train, val, test = (_part(root, folders, names) for names in (TRAIN, VAL, TEST))
    others = [name for name in folders if name not in (train, val, test)]
    if train is None:
        if folders and not others:
            raise UserError(f'data expects a folder {TRAIN[0]} beside {val or test} in {root}, got none. Add it, or '
                            'name the folder with the classes itself.')
        return _read(root, '', labels)
    filled = _filled(root, others)
    if filled and not _filled(root / train, _folders(root / train)):
        raise UserError(f'data expects beside {train} no other pictures than those to validate on ({", ".join(VAL)} or '
                        f'{", ".join(TEST)}), got {filled[0]} in {root}. Rename {train} if it is a class, else move '
                        f'{filled[0]} away.')
    pictures = _read(root, train, labels)
    if val or test:
        other = _read(root, val or test, labels and bool(pictures.classes), pictures.classes)
        pictures.val, pictures.notes = other.train, [*pictures.notes, *other.notes]
    if filled:
        pictures.notes.append(f'left out, since {train} is there to train on: {", ".join(filled)}')
    if val and test:
        pictures.notes.append(f'left out, since {val} is there to validate on: {test}')
    return pictures


def _filled(root: Path, folders: list[str]) -> list[str]:
    """Those of some folders that hold pictures."""
    return [name for name in folders if any(map(_is_read, _walk(root / name)))]


def _part(root: Path, folders: list[str], names: tuple[str, ...]) -> str | None:
    """The folder that has one of some names, if there is one."""
    found = [name for name in folders if name.lower() in names]
    if len(found) > 1:
        raise UserError(f'data expects one folder called {" or ".join(names)}, got {" and ".join(found)} in {root}. '
                        'Merge them, or move one away.')
    return found[0] if found else None


def _read(root: Path, part: str, labels: bool, known: tuple[str, ...] = ()) -> Pictures:
    """The pictures below one folder, by classes if there are some."""
    top = root / part
    names = _folders(top) if labels else []
    beside = [path for path in _walk(top, deep=False) if _is_read(path)]
    filled = {name: sorted(_walk(top / name)) for name in names}
    images = {name: [path for path in paths if _is_read(path)] for name, paths in filled.items()}
    classes = known or tuple(name for name in names if images[name])
    others = Counter(path.suffix.lower() or 'without a suffix'
                     for path in (*_walk(top, deep=False), *(path for paths in filled.values() for path in paths))
                     if not _is_read(path))
    if not classes or not labels:
        found = sorted(path for path in _walk(top) if _is_read(path))
        entries = [(_below(root, path), 0) for path in _some(top, found, others)]
        return Pictures(root, (), entries, notes=_left_out(others))
    _check_names(top, names, images, beside, known)
    numbers = {name: number for number, name in enumerate(classes)}
    entries = [(_below(root, path), numbers[name]) for name in names if name in numbers for path in images[name]]
    return Pictures(root, classes, entries, notes=_left_out(others))


def _some(top: Path, found: list[Path], others: Counter) -> list[Path]:
    if not found:
        what = ', '.join(f'{count} {suffix}' for suffix, count in others.most_common(5)) or 'no file at all'
        raise UserError(f'data expects pictures ({", ".join(READ)}) below {top}, got {what}. Name another folder, or '
                        'convert the pictures.')
    return found


def _check_names(top: Path, names: list[str], images: dict[str, list[Path]], beside: list[Path],
                 known: tuple[str, ...]) -> None:
    """Checks that the folders are classes, and the same ones in both parts."""
    if beside:
        raise UserError(f'data expects pictures in the folders of their classes, got {len(beside)} beside these in '
                        f'{top}, such as {beside[0].name}. Move them, or say that there are no classes (labels=False, '
                        '--no-labels).')
    empty = [name for name in names if not images[name] and (not known or name in known)]
    if empty:
        raise UserError(f'data expects pictures of each class, got none ({", ".join(READ)}) in {top / empty[0]}. Add '
                        'some, or delete the folder.')
    by_case = Counter(name.casefold() for name in names)
    alike = [name for name in names if by_case[name.casefold()] > 1]
    if alike:
        raise UserError(f'data expects classes of different names, got {" and ".join(alike)} in {top}, which differ in '
                        'case only. Merge the folders, or rename one.')
    odd = next((name for name in names if name != name.strip() or '\n' in name), None)
    if odd is not None:
        raise UserError(f'data expects names of classes without spaces at their ends, got {odd!r} in {top}. Rename it.')
    if known:
        new = [name for name in names if name not in known]
        if new:
            raise UserError(f'data expects in {top} the classes of the training pictures, got also {", ".join(new)}. '
                            f'Delete {"it" if len(new) == 1 else "them"}, or add training pictures.')
    elif len(names) < 2:
        raise UserError(f'data expects two classes or more, got one folder, {names[0]}, in {top}. Add the others, or '
                        'say that there are no classes (labels=False, --no-labels).')


def _folders(folder: Path) -> list[str]:
    return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not is_junk(entry.name))


def _walk(folder: Path, deep: bool = True) -> Iterator[Path]:
    """The files below a folder, without junk; a folder that a link leads back to is not gone through again."""
    for parent, folders, files in os.walk(folder, followlinks=True, onerror=_refuse):
        folders[:] = [name for name in folders if deep and not is_junk(name) and not _leads_back(parent, name)]
        yield from (Path(parent, name) for name in files if not is_junk(name))


def _leads_back(parent: str, name: str) -> bool:
    path = os.path.join(parent, name)
    return os.path.islink(path) and Path(os.path.realpath(path)) in (
        (real := Path(os.path.realpath(parent))), *real.parents)


def _refuse(error: OSError) -> None:
    raise UserError(f'data expects folders that can be read, got {error.filename} ({error.strerror}). Change its '
                    'permissions, or name another folder.') from error


def _is_read(path: Path) -> bool:
    return path.suffix.lower() in READ


def _below(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()


def _left_out(others: Counter) -> list[str]:
    if not others:
        return []
    return ['left out, since they are no pictures that are read: '
            + ', '.join(f'{count} {suffix}' for suffix, count in others.most_common(5))]
