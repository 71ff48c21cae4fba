"""What a URL means to the zoo: the name of its file, links of Google Drive and of Nextcloud, mirrors."""
import os
import re
from pathlib import PurePosixPath
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlsplit, urlunsplit

from mmkd.utils import UserError

SCHEMES = ('http', 'https', 'file')
CHECKPOINT_SCHEMES = (*SCHEMES, 'hf')  # the last is for the hub's own client
SHARE = re.compile(r'/(?:index\.php/)?s/(\w{6,})(?:/download)?/?')  # of Nextcloud and ownCloud, such as SURFdrive
UNQUOTED = "%/?:@!$&'()*+,;=[]"  # beside letters and digits, in a URL that is asked for
DRIVE_HOSTS = ('drive.google.com', 'docs.google.com', 'drive.usercontent.google.com')


def file_name(url: str) -> str:
    """The name under which a URL's file is kept.

    Raises:
        UserError: The URL has another scheme than http, https and file, or names no file.
    """
    if parts_of(url).scheme not in SCHEMES:
        raise UserError(f'checkpoint expects a URL that begins with {", ".join(SCHEMES)}, got {url}.')
    if drive_id(url):
        return f'{drive_id(url)}.pth'
    if share_id(url):
        return f'{share_id(url)}.pth'
    name = PurePosixPath(unquote(parts_of(url).path)).name
    if not re.fullmatch(r'[^/\\\0]+', name) or name in ('.', '..'):
        raise UserError(f'checkpoint expects the URL of a file, got {url}. Add the name of the file.')
    return name


def parts_of(url: str) -> SplitResult:
    """The parts of a URL.

    Raises:
        UserError: It has none, as one with half a pair of brackets.
    """
    try:
        return urlsplit(url)
    except ValueError as error:
        raise UserError(f'checkpoint expects a URL, got {url} ({error}). Correct it.') from error


def drive_id(url: str) -> str | None:
    """The id of a file on Google Drive, whichever form its link has; None for other URLs.

    Raises:
        UserError: A link to Google Drive names no file.
    """
    parts = parts_of(url)
    if parts.hostname not in DRIVE_HOSTS:
        return None
    found = re.search(r'/d/([\w-]{10,})', parts.path)
    identity = found.group(1) if found else parse_qs(parts.query).get('id', [''])[0]
    if not re.fullmatch(r'[\w-]{10,}', identity):
        raise UserError(f'checkpoint expects a link to one file on Google Drive, got {url}. '
                        'Folders cannot be downloaded: open it and copy the link of the file.')
    return identity


def share_id(url: str) -> str | None:
    """The id of a file that is shared on a Nextcloud or ownCloud server; None for other URLs."""
    found = re.search(rf'{SHARE.pattern}$', parts_of(url).path)
    return found.group(1) if found else None


def _direct(url: str) -> str:
    """The URL that answers with the file itself, not with a page about it."""
    if drive_id(url):
        return f'https://drive.usercontent.google.com/download?id={drive_id(url)}&export=download&confirm=t'
    if share_id(url):
        return f'{url.rstrip("/").removesuffix("/download")}/download'
    return url


def sources(url: str) -> list[str]:
    """Where a file may come from: the mirrors first, the URL itself last; all in ASCII.

    ``MMKD_MIRRORS`` holds pairs ``prefix=replacement``, separated by commas, such as
    ``https://github.com/=https://mirror.example.org/github/``.

    Raises:
        UserError: ``MMKD_MIRRORS`` has another form.
    """
    found = []
    for pair in filter(None, (part.strip() for part in os.environ.get('MMKD_MIRRORS', '').split(','))):
        prefix, equals, replacement = pair.partition('=')
        if not equals or '://' not in prefix or '://' not in replacement:
            raise UserError(f'MMKD_MIRRORS expects PREFIX=REPLACEMENT pairs of URLs, got {pair!r}.')
        if url.startswith(prefix):
            found.append(replacement + url.removeprefix(prefix))
    return [_quoted(each) for each in (*found, _direct(url))]


def _quoted(url: str) -> str:
    """The URL as it can be sent to a server: letters of other alphabets and spaces as per cent signs."""
    parts = parts_of(url)
    return urlunsplit(parts._replace(path=quote(parts.path, UNQUOTED), query=quote(parts.query, UNQUOTED)))
