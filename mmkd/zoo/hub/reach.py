"""Whether the hub can be reached, so that a machine without a network need not wait for retries."""
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from urllib.parse import urlsplit
from urllib.request import getproxies

from mmkd.utils import UserError

from .errors import CONNECTION, NOT_HERE, chain_of, is_offline

ENDPOINT = 'https://huggingface.co'
HELP = ('and the hub cannot be reached: there is no network, or offline mode is set. Train from scratch '
        "(--from-scratch, pretrained=False), or give a file as checkpoint: docs/teachers.md, 'A real teacher without "
        "an account'")
LOST = {*CONNECTION, *NOT_HERE, 'OfflineModeIsEnabled', 'URLError', 'gaierror'}


def is_unreachable() -> bool:
    """Whether the hub refuses a connection or has no address; a slow network or one with a proxy is taken as there."""
    return is_offline() or not getproxies() and _refused(os.environ.get('HF_ENDPOINT') or ENDPOINT)


@lru_cache
def _refused(endpoint: str) -> bool:
    parts = urlsplit(endpoint)
    try:
        socket.create_connection((parts.hostname, parts.port or (80 if parts.scheme == 'http' else 443)), 10).close()
    except TimeoutError:
        return False
    except OSError:
        return True
    return False


@contextmanager
def published_weights(what: str) -> Iterator[None]:
    """Has timm ask the cache alone where the hub cannot be reached, and says in one line what then helps.

    Args:
        what: What is being asked for, to begin the message with.

    Raises:
        UserError: The weights cannot be had for want of a network.
    """
    from huggingface_hub import constants
    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or is_unreachable()
    try:
        yield
    except Exception as error:
        if not any(kind.__name__ in LOST for each in chain_of(error) for kind in type(each).__mro__):
            raise
        raise UserError(f'{what} is not in the cache, {HELP}.') from error
    finally:
        constants.HF_HUB_OFFLINE = before
