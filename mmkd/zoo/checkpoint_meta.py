"""What a checkpoint says of its classes."""
from mmkd.utils import UserError
from mmkd.utils.checkpoints.classes import remember_classes, remembered_classes
from mmkd.utils.checkpoints.reading import read_checkpoint

from .index import find_checkpoint


def read_classes(name: str) -> dict:
    """The part of a checkpoint that names its classes; the file is only read if this process has not read it yet.

    Args:
        name: Path, URL or name of a model in the index.

    Returns:
        A dict with ``meta``; see :func:`mmkd.datasets.verification.class_names.classes_of_checkpoint`. Empty if the
        file cannot be read, of which whoever loads its weights tells.
    """
    if not remembered_classes(name):
        try:
            remember_classes(name, read_checkpoint(find_checkpoint(name.partition('#')[0])))
        except UserError:
            return {}
    return remembered_classes(name)
