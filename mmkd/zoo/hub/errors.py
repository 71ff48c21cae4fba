"""What the errors of ``huggingface_hub``, and of ``transformers`` around it, mean to a user."""
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from mmkd.utils import UserError

# The name of an error's class to what is wrong and how to mend it; the first that is found counts.
REASONS = {
    'GatedRepoError': 'is gated. Accept its terms on its page, and log in with: hf auth login',
    'DisabledRepoError': 'was disabled by the hub. Take another one',
    'RevisionNotFoundError': 'has no such revision. Name a branch, a tag or a commit that it has',
    'RepositoryNotFoundError': 'is not on the hub, or private. Check the name; for a private one log in with: hf auth '
                               'login',
    'RemoteEntryNotFoundError': 'has no such file. Look at the files on its page',
    'HFValidationError': 'is no name of a model on the hub, nor a folder that exists. Write ORG/NAME, or check the '
                         'path',
    'LocalTokenNotFoundError': 'needs you to log in. Run: hf auth login',
    'OfflineModeIsEnabled': 'is not in the cache, and offline mode is set. Unset HF_HUB_OFFLINE and MMKD_OFFLINE, or '
                            'give a local folder or file',
}
# What the client says of a file that it could not get, whatever the reason.
NOT_HERE = {
    'LocalEntryNotFoundError': 'is not in the cache, and the hub cannot be reached (or offline mode is set). Connect, '
                               'or give a local folder or file',
    'EntryNotFoundError': REASONS['RemoteEntryNotFoundError'],
}
CONNECTION = ('ConnectionError', 'ConnectError', 'ConnectTimeout', 'ReadTimeout', 'TimeoutException', 'TimeoutError',
              'ProxyError', 'SSLError', 'MaxRetryError', 'ReadError', 'RemoteProtocolError')
TOKEN = re.compile(r'hf_\w{6,}|(?i:bearer)\s+\S+')


def is_offline() -> bool:
    """Whether ``MMKD_OFFLINE`` says that only what is in a cache is used."""
    return os.environ.get('MMKD_OFFLINE', '') not in ('', '0')


@contextmanager
def hub_errors(what: str) -> Iterator[None]:
    """Turns whatever is raised inside a block into one line.

    Args:
        what: What is being asked for, to begin the message with.

    Raises:
        UserError: Something has been raised inside the block.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # of many libraries: hub, HTTP, files, JSON, safetensors
        raise UserError(f'{what} {reason_of(error)}.') from error


def reason_of(error: BaseException) -> str:
    """What is wrong and how to mend it, to follow the name of a repository; never with a token in it."""
    chain = chain_of(error)
    kinds = [kind.__name__ for each in chain for kind in type(each).__mro__]
    found = next((reason for name, reason in REASONS.items() if name in kinds), None)
    if found is not None:
        return found
    status = next((response.status_code for each in chain
                   if (response := getattr(each, 'response', None)) is not None), None)
    if status in (401, 403):
        return f'was refused by the hub (HTTP {status}). Log in with a token that may do this: hf auth login'
    if status is not None:
        return f'was answered by the hub with HTTP {status}. Try again later, or look at HF_ENDPOINT'
    found = next((reason for name, reason in NOT_HERE.items() if name in kinds), None)
    if found is not None:
        return found
    if any(name in kinds for name in CONNECTION):
        return 'cannot be had: the hub does not answer. Check the connection, HF_ENDPOINT and proxies, or give a path'
    text = ' '.join((str(chain[-1]) or type(error).__name__).split())
    return 'cannot be used: ' + without_tokens(text)[:300].rstrip('.')


def without_tokens(text: str) -> str:
    """A text without what looks like a token of the hub."""
    return TOKEN.sub('(token)', text)


def chain_of(error: BaseException) -> list[BaseException]:
    """An error and those that it was raised from, the first cause last."""
    found: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in found:
        found.append(following)
        following = following.__cause__ or (None if following.__suppress_context__ else following.__context__)
    return found
