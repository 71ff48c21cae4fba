"""Downloading checkpoints into a cache that outlives the run."""
import hashlib
import os
import re
from pathlib import Path
from urllib.parse import urlsplit

import torch
from mmengine.dist import barrier, is_main_process

from mmkd.utils import UserError


def cache_dir() -> Path:
    """The cache: ``MMKD_HOME``, by default ``~/.cache/mmkd``."""
    return Path(os.environ.get('MMKD_HOME', '~/.cache/mmkd')).expanduser()


def download(url: str) -> Path:
    """Downloads a file once; the main process does it and the others wait.

    A name such as ``model-0123abcd.pth`` carries the first digits of the file's sha256, which is checked. A file
    of any other name goes to a folder of its own, as two servers may well have an ``epoch_300.pth``.

    Args:
        url: An ``http``, ``https`` or ``file`` URL.

    Returns:
        The cached file.

    Raises:
        UserError: The server does not answer, the file is not there, or its hash is wrong.
    """
    name = Path(urlsplit(url).path).name
    if not name:
        raise UserError(f'checkpoint expects the URL of a file, got {url}. Add the name of the file.')
    digits = re.search(r'-([0-9a-f]{8,64})\.', name)
    folder = cache_dir() if digits else cache_dir() / hashlib.sha256(url.encode()).hexdigest()[:8]
    target = folder / name
    if is_main_process() and not target.is_file():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(url, str(target), digits.group(1) if digits else None)
        except (OSError, RuntimeError, ValueError) as error:
            raise UserError(f'checkpoint cannot be downloaded from {url}: {error}. '
                            'Check the URL and the connection, or give a local path.') from error
    barrier()
    return target
