"""Reading what a run of MMEngine left in its folder: figures, checkpoints, number of iterations."""
import json
import math
import zipfile
from collections.abc import Iterator
from pathlib import Path

from mmengine.config import Config

from mmkd.utils.errors import UserError


def read_scalars(folder: Path) -> tuple[dict[int, dict], dict[int, dict]]:
    """Reads the figures that ``LocalVisBackend`` wrote, of all parts of an interrupted run.

    Args:
        folder: The run's work dir.

    Returns:
        Training figures by iteration and validation figures by epoch (or iteration); where parts overlap, the
        later one counts.
    """
    train: dict[int, dict] = {}
    val: dict[int, dict] = {}
    for entry in _entries(folder):
        if not any(key.startswith('teacher/') for key in entry):
            (train if 'iter' in entry else val)[entry['step']] = entry
    return dict(sorted(train.items())), dict(sorted(val.items()))


def read_teachers(folder: Path) -> dict[str, float]:
    """Reads the figures of the teachers that ``DistillationHook`` wrote: ``accuracy/top1``, or ``name/accuracy/top1``.

    Args:
        folder: The run's work dir.
    """
    return {key.removeprefix('teacher/'): value for entry in _entries(folder) for key, value in entry.items()
            if key.startswith('teacher/')}


def _entries(folder: Path) -> Iterator[dict]:
    for path in sorted(folder.glob('*/vis_data/scalars.json')):
        for line in path.read_text(encoding='utf-8').splitlines():
            try:
                yield json.loads(line)
            except ValueError:  # the last line of a part that was killed
                continue


def last_iteration(folder: Path) -> int:
    """The last iteration that the newest part of a run logged; 0 if none."""
    parts = sorted(folder.glob('*/vis_data/scalars.json'))
    if not parts:
        return 0
    for line in reversed(parts[-1].read_text(encoding='utf-8').splitlines()):
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if 'iter' in entry:
            return int(entry['iter'])
    return 0


def last_checkpoint(folder: Path) -> Path:
    """The last checkpoint of a run.

    Raises:
        UserError: There is none, or it is cut off.
    """
    try:
        path = folder / Path((folder / 'last_checkpoint').read_text(encoding='utf-8').strip()).name
    except OSError as error:
        raise UserError(f'{folder} expects a checkpoint of a run, found none. Run it again.') from error
    if not zipfile.is_zipfile(path):
        raise UserError(f'checkpoint {path} is missing or cut off. Remove {folder} and run it again.')
    return path


def epoch_of(checkpoint: Path) -> int:
    """The number in the name of a checkpoint: ``epoch_15.pth`` → 15."""
    return int(checkpoint.stem.rpartition('_')[2])


def count_iterations(config: Config) -> int:
    """How many training iterations a config asks for, without building anything.

    Args:
        config: A config whose datasets list their files in a ``.txt`` or COCO's ``.json``, are folders of images, or
            MNIST's files.

    Raises:
        UserError: The files are missing.
    """
    loop, loader = config.train_cfg, config.train_dataloader
    if 'max_iters' in loop:
        return int(loop['max_iters'])
    per_epoch = dataset_length(loader['dataset']) / loader['batch_size']
    return int(loop['max_epochs']) * (math.floor(per_epoch) if loader.get('drop_last') else math.ceil(per_epoch))


def dataset_length(dataset: dict) -> int:
    """How many samples the dataset of a config has; see :func:`count_iterations`."""
    if 'dataset' in dataset:
        return dataset_length(dataset['dataset']) * dataset.get('times', 1)
    root = Path(dataset.get('data_root', ''))
    prefix = dataset.get('data_prefix') or ''
    try:
        if str(dataset.get('type')).rpartition('.')[2] in ('MNIST', 'FashionMNIST'):
            with (root / f'{"t10k" if dataset.get("test_mode") else "train"}-labels-idx1-ubyte').open('rb') as file:
                length = int.from_bytes(file.read(8)[4:], 'big')  # after the magic number
        elif not dataset.get('ann_file'):
            folder = root / (prefix['img_path'] if isinstance(prefix, dict) else prefix)
            length = sum(path.suffix == dataset.get('img_suffix', path.suffix) for path in folder.iterdir())
        elif dataset['ann_file'].endswith('.json'):
            length = len(json.loads((root / dataset['ann_file']).read_text(encoding='utf-8'))['images'])
        else:
            length = len((root / dataset['ann_file']).read_text(encoding='utf-8').splitlines())
    except OSError as error:
        raise UserError(f'{dataset.get("type")} expects its files, but {error.filename} cannot be read '
                        f'({error.strerror}). Prepare the data.') from error
    chosen = dataset.get('indices') or length  # the last ones, if it is negative
    return min(length, abs(chosen) if isinstance(chosen, int) else len(chosen))
