"""Reading what a run of MMEngine left in its folder: figures, checkpoints, number of iterations."""
import json
import math
import os
import zipfile
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

from mmengine.config import Config

from mmkd.datasets.annotation_lists import is_by_list, read_list
from mmkd.datasets.empty_folders import suffixes_of
from mmkd.utils.errors import UserError

LISTS = ('', '.txt', '.jsonl')  # what files are called that list an image a line


class UncountedError(UserError):
    """The files of a data set are not there, as on a machine that only plans a run, or of a form that only it reads."""


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
            if key.startswith('teacher/') and is_number(value)}


def is_number(value: object) -> bool:
    """Whether an entry of a log is a figure."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _entries(folder: Path) -> Iterator[dict]:
    for path in sorted(folder.glob('*/vis_data/scalars.json')):
        yield from filter(None, map(_entry, _lines(path)))


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding='utf-8', errors='replace').splitlines()


def _entry(line: str) -> dict | None:
    """The figures of a line; None of one that is cut off, as the last one of a part that was killed, or damaged."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) and type(entry.get('step')) is int else None


def last_iteration(folder: Path) -> int:
    """The last iteration that the newest part of a run logged; 0 if none."""
    parts = sorted(folder.glob('*/vis_data/scalars.json'))
    entries = map(_entry, reversed(_lines(parts[-1]))) if parts else ()
    return next((entry['iter'] for entry in entries if entry and type(entry.get('iter')) is int), 0)


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
        config: A config whose datasets list their files in a ``.txt``, COCO's ``.json`` or OpenMMLab's, are folders of
            images, or MNIST's files.

    Raises:
        UserError: The files are missing, or of another form.
    """
    loop, loader = config.train_cfg, config.train_dataloader
    if 'max_iters' in loop:
        return int(loop['max_iters'])
    per_epoch = dataset_length(loader['dataset']) / loader['batch_size']
    return int(loop['max_epochs']) * (math.floor(per_epoch) if loader.get('drop_last') else math.ceil(per_epoch))


def dataset_length(dataset: dict) -> int:
    """How many samples the dataset of a config has; see :func:`count_iterations`.

    Raises:
        UncountedError: Its files cannot be read, or are of another form.
        UserError: They are cut off.
    """
    if 'dataset' in dataset:
        return dataset_length(dataset['dataset']) * dataset.get('times', 1)
    if 'datasets' in dataset:
        return sum(map(dataset_length, dataset['datasets']))
    root = Path(dataset.get('data_root', ''))
    listed = str(dataset.get('ann_file') or '')
    try:
        if str(dataset.get('type')).rpartition('.')[2] in ('MNIST', 'FashionMNIST'):
            with (root / f'{"t10k" if dataset.get("test_mode") else "train"}-labels-idx1-ubyte').open('rb') as file:
                length = int.from_bytes(file.read(8)[4:], 'big')  # after the magic number
        elif not listed:
            length = _count_images(root, dataset)
        elif listed.endswith('.json'):
            length = _count_in_json(root / listed)
        elif Path(listed).suffix not in LISTS and not is_by_list(dataset):
            raise UncountedError(f'{dataset.get("type")} expects a list ({", ".join(LISTS[1:])} or .json) where '
                                 f'its images are counted, got {listed}. Convert it, or set train_cfg.max_iters.')
        else:
            length = len(list(StringIO(read_list(str(root / listed)))))  # blank ones too, as mmengine reads it
    except OSError as error:
        raise UncountedError(f'{dataset.get("type")} expects its files, but {error.filename} cannot be read '
                             f'({error.strerror}). Prepare the data.') from error
    chosen = dataset.get('indices') or length  # the last ones, if it is negative
    return min(length, abs(chosen) if isinstance(chosen, int) else len(chosen))


def _count_images(root: Path, dataset: dict) -> int:
    prefix = dataset.get('data_prefix') or ''
    folder = root / (prefix.get('img_path', prefix.get('img', '')) if isinstance(prefix, dict) else prefix)
    next(folder.iterdir(), None)  # an error if it is missing, which is no files to walk
    suffixes = tuple(suffix.lower() for suffix in suffixes_of(dataset))
    return sum(name.lower().endswith(suffixes) for *_, names in os.walk(folder, followlinks=True) for name in names)


def _count_in_json(path: Path) -> int:
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except ValueError as error:
        raise UserError(f'{path} expects annotations in JSON, got something else or a part ({error!r}). Fetch it again.'
                        ) from error
    listed = content.get('images', content.get('data_list')) if isinstance(content, dict) else None
    if not isinstance(listed, list):
        raise UncountedError(f'{path} expects the images of COCO or the data_list of OpenMMLab where they are '
                             'counted, got neither as a list. Convert it, or set train_cfg.max_iters.')
    return len(listed)
