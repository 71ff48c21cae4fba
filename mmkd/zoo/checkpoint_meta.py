"""What a checkpoint says of its classes, and of the config of its run."""
from mmkd.utils import UserError
from mmkd.utils.checkpoints.meta import remember_meta, remembered_meta
from mmkd.utils.checkpoints.reading import read_checkpoint
from mmkd.utils.checkpoints.weights import split_choice

from .index import find_checkpoint


def read_meta(name: str) -> dict:
    """What a checkpoint says of its classes and of its config; the file is only read if this process has not done so.

    Args:
        name: Path, URL or name of a model in the index.

    Returns:
        A dict with ``meta``; see :func:`mmkd.datasets.verification.class_names.classes_of_checkpoint`. Empty if the
        file cannot be read, of which whoever loads its weights tells.
    """
    if not remembered_meta(name):
        try:
            remember_meta(name, read_checkpoint(find_checkpoint(split_choice(name)[0])))
        except UserError:
            return {}
    return remembered_meta(name)
