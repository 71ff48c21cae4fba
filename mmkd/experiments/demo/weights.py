"""The weights that come along with the demo: small files of half precision, named by their hash."""
from pathlib import Path

import torch
from mmengine.model import BaseModel
from torch import Tensor

from mmkd.utils.checkpoints.publishing import remove_earlier, write_by_hash
from mmkd.utils.checkpoints.reading import load_strictly, read_checkpoint, weights_of
from mmkd.utils.errors import UserError

FOLDER = Path(__file__).parent / 'weights'
TEACHER, STUDENT = 'slak-micro', 'convnest-mini-distilled'


def shipped(name: str, folder: Path = FOLDER) -> Path:
    """The file of a model; whoever reads it compares the hash in its name.

    Args:
        name: ``'slak-micro'`` or ``'convnest-mini-distilled'``.
        folder: Where the files are.

    Raises:
        UserError: It is not there.
    """
    found = sorted(folder.glob(f'{name}-????????.safetensors'))
    if len(found) != 1:
        raise UserError(f'the demo expects one file {name}-HASH.safetensors in {folder}, got {len(found)}. '
                        'Install mmkd again.')
    return found[0]


def load_shipped(model: BaseModel, name: str, folder: Path = FOLDER) -> None:
    """Loads the weights of a model that comes along, strictly and without running code.

    Args:
        model: Takes them.
        name: See :func:`shipped`.
        folder: Where the files are.

    Raises:
        UserError: The file is missing, damaged or belongs to another model.
    """
    path = shipped(name, folder)
    load_strictly(model, weights_of(read_checkpoint(path), str(path)), str(path))


def write(checkpoint: str | Path, name: str, folder: Path = FOLDER) -> Path:
    """Makes such a file of a checkpoint: its weights in half precision, under the name with their hash.

    Args:
        checkpoint: A training checkpoint or a published student.
        name: See :func:`shipped`.
        folder: Where the file goes; an earlier one of that name is removed.

    Returns:
        The file.
    """
    from safetensors.torch import save
    weights = weights_of(read_checkpoint(checkpoint), str(checkpoint))
    content = save({key: _half(tensor) for key, tensor in sorted(weights.items())})
    path = write_by_hash(content, folder / f'{name}.safetensors')
    remove_earlier(path)
    return path


def _half(tensor: Tensor) -> Tensor:
    return (tensor.half() if tensor.dtype == torch.float32 else tensor).contiguous()
