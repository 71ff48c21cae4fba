"""Downloading one file from the Hugging Face hub into mmkd's cache."""
import hashlib
import os
import re
from importlib.util import find_spec
from pathlib import Path

from mmkd.utils import UserError
from mmkd.utils.checkpoints.files import sha256_of
from mmkd.utils.checkpoints.reading import damage

from ..download import cache_dir
from .address import SCHEME, HubAddress, read_address
from .errors import hub_errors, is_offline

INSTALL = 'Install it with: pip install huggingface_hub'


def check_installed() -> None:
    """Checks that the package is there.

    Raises:
        UserError: It is not.
    """
    if find_spec('huggingface_hub') is None:
        raise UserError(f'{SCHEME}://… expects the package huggingface_hub, which is not installed. {INSTALL}')


def pull(url: str) -> Path:
    """Downloads a file once; asks the hub each time whether the branch has moved on, if it can be reached.

    The hub's own client does it, with its token (``HF_TOKEN``, ``hf auth login``) and ``HF_ENDPOINT``. Whatever is in
    the cache is compared with the hash that the hub has named for it.

    Args:
        url: ``hf://ORG/NAME[@REVISION][/FILE]``.

    Returns:
        The file in the cache, below ``MMKD_HOME``.

    Raises:
        UserError: The address has another form; the repository, revision or file is not there or not for everybody; the
            hub does not answer; or the file is not what the hub says.
    """
    address = read_address(url)
    check_installed()
    from huggingface_hub import hf_hub_download
    with hub_errors(str(address)):
        path = Path(hf_hub_download(address.repo, address.file, revision=address.revision,
                                    cache_dir=cache_dir() / 'hub', local_files_only=is_offline(),
                                    endpoint=os.environ.get('HF_ENDPOINT') or None))
    _check(path, address)
    return path


def _check(path: Path, address: HubAddress) -> None:
    """Compares a file with its hash, by which the cache calls it; a file that differs is deleted.

    Raises:
        UserError: It differs, or is no whole checkpoint.
    """
    blob = path.resolve()
    if re.fullmatch(r'[0-9a-f]{64}', blob.name):
        problem = _difference('sha256', blob.name, sha256_of(blob))
    elif re.fullmatch(r'[0-9a-f]{40}', blob.name):
        problem = _difference('git hash', blob.name, _git_hash(blob))
    else:
        problem = ''
    problem = problem or damage(path)
    if problem:
        blob.unlink()
        path.unlink(missing_ok=True)
        raise UserError(f'the file from {address} {problem}. It was deleted from the cache; try again, or ask its '
                        'authors which is right.')


def _difference(kind: str, expected: str, found: str) -> str:
    return '' if found == expected else f'expects {kind} {expected}, got {found}'


def _git_hash(path: Path) -> str:
    """What git, and so the hub, calls a small file that lies in the repository itself."""
    content = path.read_bytes()
    return hashlib.sha1(b'blob %d\0' % len(content) + content, usedforsecurity=False).hexdigest()
