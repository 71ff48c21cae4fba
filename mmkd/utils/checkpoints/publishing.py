"""Taking a student out of a training checkpoint, and writing it as a file of its own."""
import re
from pathlib import Path

from torch import Tensor

from mmkd.utils.errors import UserError
from mmkd.utils.files.whole import checkpoint_bytes, write_whole
from mmkd.version import __version__

from .files import hash_of_bytes, sha256_of
from .reading import few_names, not_finite
from .weights import choose_weights, plain


def student_weights(checkpoint: dict, source: str, which: str | None = None) -> tuple[dict[str, Tensor], str]:
    """Takes the student's weights out of a training checkpoint.

    Args:
        checkpoint: A training checkpoint.
        source: Its path, for error messages.
        which: ``'raw'`` for the weights of the last step, ``'ema'`` for their average; None for what was validated.

    Returns:
        Plain mmpretrain names to contiguous tensors of their own memory, and which they are.

    Raises:
        UserError: Weights are asked for that are not there, there are none, or some are not finite.
    """
    chosen = choose_weights(checkpoint, source, which)
    weights = {name: value.clone().contiguous() for name, value in plain(chosen.tensors).items()}
    bad = not_finite(weights)
    if bad:
        raise UserError(f'{source} expects finite weights, got NaN or infinite ones in {few_names(bad)}. '
                        'Publish a checkpoint from before the run diverged.')
    return weights, chosen.said


def kept_meta(checkpoint: dict) -> dict:
    """What a published student says of itself."""
    meta = checkpoint.get('meta') or {}
    kept = {key: meta[key] for key in ('epoch', 'iter', 'dataset_meta', 'label_names', 'experiment_name', 'seed')
            if key in meta}
    return kept | dict(mmkd_version=__version__)


def publish(checkpoint: dict, weights: dict, out: Path) -> Path:
    """Writes the student with metadata, under a name that carries its hash.

    Args:
        checkpoint: The training checkpoint, for its metadata.
        weights: What :func:`student_weights` returned.
        out: Output path without hash.

    Returns:
        The file written.
    """
    return write_by_hash(checkpoint_bytes(dict(meta=kept_meta(checkpoint), state_dict=weights)), out)


def write_by_hash(content: bytes, out: Path) -> Path:
    """Writes a file under a name that carries its hash.

    Args:
        content: All that is to be in it.
        out: Output path without hash.

    Returns:
        The file written.
    """
    final = out.with_name(f'{out.stem}-{hash_of_bytes(content)[:8]}{out.suffix or ".pth"}')
    write_whole(final, content)
    return final


def remove_earlier(final: Path) -> None:
    """Removes the files whose place one has taken: of its name but for the hash, and with the hash that they name.

    Args:
        final: What :func:`publish` or :func:`write_by_hash` returned.
    """
    stem = final.stem.rpartition('-')[0]
    name = re.compile(rf'{re.escape(stem)}-([0-9a-f]{{8}}){re.escape(final.suffix)}')
    for other in final.parent.iterdir():
        found = name.fullmatch(other.name)
        if found and other.name != final.name and other.is_file() and sha256_of(other).startswith(found[1]):
            other.unlink()
