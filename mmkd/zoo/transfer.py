"""Fetching one file over HTTP: resuming what is there, trying again, refusing web pages."""
import json
import shutil
import time
from contextlib import suppress
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from tqdm import tqdm

TRIES = 5
FIRST_PAUSE_SECONDS = 1.0
TIMEOUT_SECONDS = 30.0
BLOCK = 1 << 20
GONE = (400, 401, 403, 404, 405, 410, 451)  # answers that another try will not change


class TransferError(OSError):
    """A file could not be fetched; the message says why."""


def fetch(url: str, target: Path, progress: bool = True) -> None:
    """Fetches a URL into a file, which exists only once it is complete.

    What a broken transfer left (``<name>.part``) is gone on with if the server can and the file there is still the
    same by its ETag or date.

    Args:
        url: An ``http`` or ``https`` URL.
        target: The file; its folder exists.
        progress: Whether to show a bar where there is a terminal.

    Raises:
        TransferError: The server refuses, answers with a web page, or fails again and again.
        OSError: The file cannot be written.
    """
    part, pause = target.with_name(f'{target.name}.part'), FIRST_PAUSE_SECONDS
    for attempt in range(TRIES):
        if attempt:
            time.sleep(pause)
            pause *= 2
        try:
            _fetch_once(url, part, progress, target.name)
            break
        except HTTPError as error:
            if error.code == 416:  # what is there is longer than the file, or is all of it
                _forget(part)
            if error.code in GONE or attempt == TRIES - 1:
                raise TransferError(f'HTTP Error {error.code}: {error.reason}') from error
        except (URLError, HTTPException, TimeoutError, ConnectionError) as error:
            if attempt == TRIES - 1:
                raise TransferError(f'{getattr(error, "reason", None) or error or type(error).__name__}') from error
    part.replace(target)
    _forget(part)


def _fetch_once(url: str, part: Path, progress: bool, title: str) -> None:
    done, headers = _resumable(part)
    with urlopen(Request(url, headers={'User-Agent': 'mmkd'} | headers), timeout=TIMEOUT_SECONDS) as response:
        resumed = response.status == 206 and response.headers.get('Content-Range', '').startswith(f'bytes {done}-')
        done = done if resumed else 0
        total = _length(response, done)
        _check_answer(response, part, total - done if total else 0)
        _note(part, response)
        with open(part, 'ab' if resumed else 'wb') as file, tqdm(
                desc=title, total=total or None, initial=done, unit='B', unit_scale=True,
                disable=None if progress else True) as bar:
            while block := response.read(BLOCK):
                file.write(block)
                bar.update(len(block))
    if total and part.stat().st_size < total:
        raise ConnectionError(f'the connection ended after {part.stat().st_size:,} of {total:,} bytes')


def _check_answer(response: HTTPResponse, part: Path, missing: int) -> None:
    if response.headers.get_content_type() == 'text/html':
        raise TransferError('the server answered with a web page instead of a file (it may ask to log in, or allow no '
                            'more downloads today). Open the link in a browser and give the path of the file')
    free = shutil.disk_usage(part.parent).free
    if missing > free:
        raise TransferError(f'{missing / 1e6:,.0f} MB are needed in {part.parent}, {free / 1e6:,.0f} MB are free. '
                            'Make room or set MMKD_HOME to another disk')


def _length(response: HTTPResponse, done: int) -> int:
    """The bytes of the whole file; 0 if the server does not say."""
    length = response.headers.get('Content-Length')
    return int(length) + done if length and length.isdigit() else 0


def _notes(part: Path) -> Path:
    return part.with_name(f'{part.name}.json')


def _note(part: Path, response: HTTPResponse) -> None:
    """Writes down which version of the file the parts are of."""
    version = response.headers.get('ETag') or response.headers.get('Last-Modified')
    _notes(part).write_text(json.dumps(dict(version=version)), encoding='utf-8')


def _resumable(part: Path) -> tuple[int, dict[str, str]]:
    """The bytes that are there, and the headers that ask for the rest of the same version."""
    with suppress(OSError, ValueError):
        version, done = json.loads(_notes(part).read_text(encoding='utf-8'))['version'], part.stat().st_size
        if version and done:
            return done, {'Range': f'bytes={done}-', 'If-Range': version}
    return 0, {}


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _notes(part).unlink(missing_ok=True)
