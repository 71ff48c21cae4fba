"""Downloading checkpoints into a cache that outlives the run and that all processes share."""
import hashlib
import os
from contextlib import suppress
from pathlib import Path
from urllib.request import url2pathname

from filelock import FileLock
from mmengine.dist import is_main_process

from mmkd.utils import UserError
from mmkd.utils.checkpoints.files import HASH_IN_NAME, hash_in_name, sha256_of
from mmkd.utils.checkpoints.reading import damage

from .transfer import fetch
from .urls import file_name, parts_of, sources


def cache_dir() -> Path:
    """The cache: ``MMKD_HOME``, by default ``~/.cache/mmkd``."""
    return Path(os.environ.get('MMKD_HOME') or '~/.cache/mmkd').expanduser()


def cached_path(url: str) -> Path:
    """Where a URL's file is kept, whether it is there or not.

    A file whose name carries its hash (``model-0123abcd.pth``) is kept under that name; any other one in a folder of
    its own, as two servers may well have an ``epoch_300.pth``.
    """
    name = file_name(url)
    shared = cache_dir() / name
    if hash_in_name(name) or HASH_IN_NAME.search(name) and shared.is_file():  # a hash without letters may be a date
        return shared
    return cache_dir() / hashlib.sha256(url.encode()).hexdigest()[:8] / name


def download(url: str, sha256: str | None = None) -> Path:
    """Downloads a file once, whichever process asks first; the others wait for it.

    Its sha256 is checked against ``sha256``, against the digits in a name such as ``model-0123abcd.pth``, and against
    what was recorded when it was first downloaded. ``MMKD_MIRRORS`` names other places to try first
    (:func:`~mmkd.zoo.urls.sources`); with ``MMKD_OFFLINE=1`` only what is in the cache is used.

    Args:
        url: An ``http``, ``https``, Google Drive or ``file`` URL.
        sha256: The file's hash, or its first digits, if known.

    Returns:
        The cached file; of a ``file`` URL, the file itself.

    Raises:
        UserError: The server does not answer, the file is not there, cannot be written, or has another hash.
    """
    sha256 = sha256 and sha256.lower()
    if parts_of(url).scheme == 'file':
        return _local(url, sha256)
    target = cached_path(url)
    try:
        if not target.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f'{target}.lock'):
                if not target.is_file():
                    _fetch_from_any(url, target)
        _check(target, url, sha256)
    except OSError as error:
        raise UserError(f'checkpoint cannot be downloaded from {url} to {target.parent}: {_reason(error)}. '
                        'Check the URL, the connection and MMKD_HOME, or give a local path.') from error
    return target


def _local(url: str, sha256: str | None) -> Path:
    path = Path(url2pathname(parts_of(url).path))
    if not path.is_file():
        raise UserError(f'checkpoint expects an existing file, got {url}. Check the path.')
    if sha256 and not sha256_of(path).startswith(sha256):
        raise UserError(f'{path} expects sha256 {sha256}, got {sha256_of(path)}. It is damaged or another file.')
    return path


def _fetch_from_any(url: str, target: Path) -> None:
    """Tries the mirrors, then the URL itself, whose error is the one that is reported."""
    if os.environ.get('MMKD_OFFLINE', '') not in ('', '0'):
        raise UserError(f'checkpoint {url} is not in the cache, and MMKD_OFFLINE is set. Download it on another '
                        f'machine to {target}, or unset MMKD_OFFLINE.')
    *mirrors, last = sources(url)
    for mirror in mirrors:
        with suppress(OSError):
            fetch(mirror, target, progress=is_main_process())
            if not damage(target):
                return
            target.unlink()
    fetch(last, target, progress=is_main_process())


def _check(target: Path, url: str, sha256: str | None) -> None:
    """Compares the file's hash with all that is known of it; records it the first time, if it is a whole checkpoint.

    Raises:
        UserError: It is another one, or the file is cut off, empty or a web page; the file is deleted.
    """
    record = target.with_name(f'{target.name}.sha256')
    known = [sha256, hash_in_name(target.name), record.read_text(encoding='ascii') if record.is_file() else None]
    found = sha256_of(target)
    for expected in filter(None, known):
        if not found.startswith(expected):
            target.unlink()
            record.unlink(missing_ok=True)
            raise UserError(f'the file from {url} expects sha256 {expected}, got {found}. It was deleted from the '
                            'cache; try again, or ask its authors which is right.')
    problem = damage(target)
    if problem:
        target.unlink()
        record.unlink(missing_ok=True)
        raise UserError(f'the file from {url} {problem}. It was deleted from the cache; try again, or open the link in '
                        'a browser and give the path of the file.')
    if not record.is_file():
        with suppress(OSError):  # somebody else's cache
            record.write_text(found, encoding='ascii')


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).rstrip('.')
