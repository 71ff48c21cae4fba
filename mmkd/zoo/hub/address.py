"""Addresses on the Hugging Face hub: ``hf://ORG/NAME[@REVISION][/FILE]``."""
import re
from dataclasses import dataclass

from mmkd.utils import UserError

SCHEME = 'hf'
WEIGHTS = 'model.safetensors'
_NAME = r'[A-Za-z0-9][\w.-]*'
_FORM = re.compile(rf'{SCHEME}://({_NAME}/{_NAME})(?:@([^/@]+))?(?:/(.+))?', re.ASCII)


@dataclass(frozen=True)
class HubAddress:
    """A file on the hub.

    Args:
        repo: ``ORG/NAME``.
        revision: Branch, tag or commit; None is the main branch.
        file: Path of the file in the repository.
    """
    repo: str
    revision: str | None
    file: str

    def __str__(self) -> str:
        revision = f'@{self.revision}' if self.revision else ''
        return f'{SCHEME}://{self.repo}{revision}/{self.file}'


def read_address(text: str) -> HubAddress:
    """Reads an address; without a file it means the weights that mmkd pushes.

    Raises:
        UserError: It has another form.
    """
    found = _FORM.fullmatch(text.rstrip('/'))
    if found is None or '..' in (found[3] or '').split('/'):
        raise UserError(f'an address on the hub expects {SCHEME}://ORG/NAME[@REVISION][/FILE], got {text}. Correct it.')
    return HubAddress(found[1], found[2], found[3] or WEIGHTS)
