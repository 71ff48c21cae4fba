"""Makes a folder of data at once, with a stamp of the settings that made it."""
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from mmkd.utils.errors import UserError
from mmkd.utils.files.small import one_at_a_time, put_in_place


def read_stamp(out: Path, name: str) -> dict | None:
    """Reads the settings of the data in a folder; ``None`` if it is empty or not there.

    Args:
        out: The folder.
        name: The file with the stamp.

    Raises:
        UserError: There is something else, which is not the script's to replace.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    try:
        stamp = json.loads((out / name).read_text())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        stamp = None
    if not isinstance(stamp, dict) or 'format' not in stamp:
        raise UserError(f'--out expects a new or empty folder, or one that this script made, got {out}. '
                        'Name another one.')
    return stamp


def make_folder(out: Path, name: str, wanted: Mapping, write: Callable[[Path], None], force: bool = False,
                damage: Callable[[Path], str] = lambda _: '') -> bool:
    """Writes the data to a temporary folder beside ``out``, which takes its place at the end.

    Args:
        out: The folder to make.
        name: The file with the stamp.
        wanted: The stamp, with a ``format`` that changes whenever the same settings give other files.
        write: Makes the folder that it is given, and writes everything but the stamp.
        force: Whether to replace data that this script made with other settings.
        damage: Says what is wrong with data that are there already; an empty text if they are whole.

    Returns:
        Whether anything was written; not if the same data are there already.

    Raises:
        UserError: ``out`` holds something else, or the data there are damaged.
    """
    out = out.expanduser().resolve()
    stamp = read_stamp(out, name)
    if stamp == wanted and not force:
        found = damage(out)
        if found:
            raise UserError(f'{found}: the data there are damaged. Give --force to make {out} anew.')
        return False
    if stamp and not force:
        differing = ', '.join(key for key in wanted if stamp.get(key) != wanted[key])
        raise UserError(f'{out} was made with another {differing}. Give the same settings, another '
                        '--out, or --force to replace it.')
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f'.{out.name}-', dir=out.parent) as folder:
        new, old = Path(folder, 'new'), Path(folder, 'old')
        write(new)
        (new / name).write_text(json.dumps(wanted, indent=2))
        with one_at_a_time(out.parent):
            now = read_stamp(out, name)
            if now == wanted and now != stamp:  # another process made them meanwhile
                return False
            if now and not force:
                raise UserError(f'{out} was made with other settings meanwhile. Name another --out.')
            put_in_place(new, out, old if now else None)
    return True
