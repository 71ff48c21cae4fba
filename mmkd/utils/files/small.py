"""Small files that have to be whole, and folders that nobody else may use."""
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mmkd.utils.errors import UserError


def read_json(path: Path) -> dict:
    """Reads a dict from a JSON file; an empty one if the file is missing, cut off or something else."""
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """Lets a file be written beside its place, and moves it there when it is whole.

    Args:
        path: The file; what is there is kept if the writing fails or is interrupted.

    Yields:
        The path to write, of the same suffix.
    """
    temporary = path.with_name(f'.{path.stem}.tmp{path.suffix}')
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes a file at once: others see the old content or the new, never a part."""
    with beside(path) as temporary:
        temporary.write_text(text, encoding='utf-8')


def write_json(path: Path, content: object) -> None:
    """Writes a JSON file at once."""
    write_text(path, json.dumps(content, indent=2) + '\n')


def move_aside(folder: Path) -> Path | None:
    """Renames a folder to the first of ``<name>.1``, ``<name>.2``, … that is free, if it is there.

    Returns:
        Its new name; None if it is not there.
    """
    if not folder.exists():
        return None
    number = 1
    while (target := folder.with_name(f'{folder.name}.{number}')).exists():
        number += 1
    return folder.rename(target)


@contextmanager
def lock_folder(folder: Path) -> Iterator[int]:
    """Makes a folder this process's own, as long as it or a child that inherited the lock goes on.

    Not by the ``filelock`` package, which locks downloads: its locks end with the process that took them.

    Args:
        folder: The folder; made if it is missing.

    Yields:
        The descriptor of the open lock file.

    Raises:
        UserError: Another process has the folder.
    """
    import fcntl
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / '.lock', os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(f'{folder} is in use by another run. Wait for it, end it, or name another folder.') \
                from error
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Lets one process go on while others wait, where the system and the disk can lock a folder.

    The folder itself is locked: ``filelock`` would leave a file in it.

    Args:
        folder: The folder that all of them change.
    """
    descriptor = None
    with suppress(ImportError, OSError):
        import fcntl
        descriptor = os.open(folder, os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def put_in_place(new: Path, target: Path, old: Path | None) -> None:
    """Renames a finished folder; if that fails, all is as before.

    Args:
        new: The folder.
        target: Its new name.
        old: Where to put the folder that has this name; None if none has.
    """
    if old:
        target.rename(old)
    try:
        new.rename(target)
    except BaseException:
        if old:
            old.rename(target)
        raise
