"""What the checkpoints that this process has read say of their classes and of the config of their run."""
from collections.abc import Mapping

_metas: dict[str, dict] = {}
KEYS = ('dataset_meta', 'CLASSES', 'label_names', 'cfg')


def remember_meta(name: str, checkpoint: object) -> None:
    """Keeps what a checkpoint says of itself.

    Args:
        name: The path, URL or name by which it was asked for.
        checkpoint: Its contents.
    """
    meta = checkpoint.get('meta') if isinstance(checkpoint, Mapping) else None
    known = {key: meta[key] for key in KEYS if key in meta} if isinstance(meta, Mapping) else {}
    _metas[str(name)] = dict(meta=known)


def remembered_meta(name: str) -> dict:
    """What was kept of a checkpoint, under ``meta``; empty if it was not read."""
    return _metas.get(str(name), {})
