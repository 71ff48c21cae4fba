"""Writing a file whole: whatever ends the process, under its name lies the old content or the new."""
import io
import os
from contextlib import suppress
from pathlib import Path

import torch

from mmkd.utils.errors import UserError


def write_whole(path: str | Path, content: bytes) -> None:
    """Writes beside, flushes to the disk, and renames.

    The file beside has a fixed name, so that the next attempt takes the place of one that was killed.

    Args:
        path: The file; folders above it are made.
        content: All that is to be in it.

    Raises:
        UserError: It cannot be written, as on a full disk; what was there before still is.
    """
    path = Path(path)
    temporary = path.with_name(f'.{path.name}.tmp')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, 'wb') as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _flush_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise UserError(f'cannot write {path}: {error.strerror or error}. Make room or choose another folder; what was '
                        'written before is kept.') from error
    except BaseException:  # an interruption
        with suppress(OSError):
            temporary.unlink()
        raise


def _flush_folder(folder: Path) -> None:
    """Makes the new name last; some file systems cannot, and do not need to."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def checkpoint_bytes(checkpoint: object) -> bytes:
    """What ``torch.save`` writes, without the file's name in it: equal contents give equal bytes."""
    with io.BytesIO() as buffer:
        torch.save(checkpoint, buffer)
        return buffer.getvalue()
