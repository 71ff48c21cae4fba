"""Publishing a student on the Hugging Face hub."""
import json
import os
from collections.abc import Mapping

from torch import Tensor

from mmkd.utils import UserError

from .address import WEIGHTS, HubAddress, read_address
from .card import classes_of, measured, model_card, recipe_of
from .errors import hub_errors, is_offline
from .pulling import check_installed

META = 'mmkd_meta'  # where the header of a safetensors file says what the meta of a checkpoint does


def check_target(url: str) -> HubAddress:
    """Checks an address before any work is done for it.

    Raises:
        UserError: It names a file or has another form, the package is missing, or offline mode is set.
    """
    address = read_address(url)
    if address.file != WEIGHTS:
        raise UserError(f'--push expects hf://ORG/NAME[@REVISION], got {url}. Leave the name of the file out.')
    check_installed()
    if is_offline():
        raise UserError(f'--push {url} expects a connection, but MMKD_OFFLINE is set. Unset it.')
    return address


def repository_files(address: HubAddress, weights: Mapping[str, Tensor], meta: Mapping, checkpoint: Mapping,
                     source: str, kind: str) -> dict[str, bytes]:
    """All that is pushed: the student's weights, and text; no optimizer, no teacher, no Python object.

    Args:
        address: Where to.
        weights: The student's, under plain names.
        meta: What the published file says of itself.
        checkpoint: The training checkpoint, for recipe and figures.
        source: Its path.
        kind: Which of its weights are published, ``'raw'`` or ``'ema'``.

    Returns:
        Name of a file to its content.
    """
    from safetensors.torch import save
    recipe, classes = recipe_of(checkpoint), classes_of(meta)
    card = model_card(address, meta, measured(checkpoint, source, kind), recipe is not None)
    header = {'format': 'pt', META: json.dumps(dict(meta), default=str)}
    files = {WEIGHTS: save(dict(weights), metadata=header), 'README.md': card.encode()}
    if recipe is not None:
        files['recipe.txt'] = recipe.encode()
    if classes:
        files['classes.json'] = (json.dumps(classes, ensure_ascii=False, indent=1) + '\n').encode()
    return files


def push(address: HubAddress, files: Mapping[str, bytes], public: bool = False) -> str:
    """Uploads files in one commit; makes the repository if there is none.

    The hub's own client does it, with its token and ``HF_ENDPOINT``; nothing is asked. A repository that is there keeps
    its visibility, and its other files.

    Args:
        address: Where to.
        files: Name to content.
        public: Whether a new repository can be seen by everybody.

    Returns:
        The address of the commit.

    Raises:
        UserError: There is no token or one that may not do this, or the hub does not answer.
    """
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.utils import disable_progress_bars
    disable_progress_bars()
    with hub_errors(f'the repository hf://{address.repo}'):
        api = HfApi(endpoint=os.environ.get('HF_ENDPOINT') or None)
        api.create_repo(address.repo, private=not public, exist_ok=True)
        if address.revision:
            api.create_branch(address.repo, branch=address.revision, exist_ok=True)
        operations = [CommitOperationAdd(name, content) for name, content in files.items()]
        commit = api.create_commit(address.repo, operations, commit_message='Student published by mmkd',
                                   revision=address.revision)
    return f'hf://{address.repo}@{commit.oid}'
