"""``mmkd.distill``: a student from a teacher and some pictures, in one call."""
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config

from mmkd.datasets.pictures import write_lists
from mmkd.engine.borrowed_process import borrowed_process
from mmkd.utils import UserError
from mmkd.utils.checkpoints.reading import read_checkpoint
from mmkd.utils.command_line.trackers import check_trackers
from mmkd.utils.files.small import lock_folder, write_text

from .models import student_of, teacher_of
from .progress import only_warnings
from .recipe import Recipe, make_recipe
from .result import DistillResult
from .running import (
    best_checkpoint,
    check_model,
    figures,
    is_finished,
    modules_kept,
    own_weights,
    publish_student,
    student_from,
    train,
)
from .settings import Training
from .sources import LISTS, Source, of_folder, source_of
from .writing import NAME, RUN, check_config_is, check_folder, config_text, freed_by_failure, read_back, with_options

BANK_LISTS = 'labelled'


def distill(student: Any, teacher: Any, data: Any, method: str | Mapping | None = None, epochs: int = 100, *,
            out: str | Path, labelled: str | Path | None = None, labels: bool = True,
            classes: Sequence[str] | None = None, val_share: float = 0.2, corrupt: str = 'refuse', size: int = 224,
            batch_size: int | None = None, lr: float | None = None, seed: int = 0, amp: bool | None = None,
            workers: int | None = None, augment: bool = True, pretrained: bool = True, resume: bool = False,
            cfg_options: Mapping | None = None, progress: bool = True, train_now: bool = True,
            trust_checkpoint: bool = False, trackers: str | Sequence[str] = ()) -> DistillResult | Path:
    """Trains a student under a teacher on some pictures, and writes an ordinary config of it.

    Random generators, MMEngine's global objects and all else of this process stay as they are. An interrupted call can
    go on: the same call with ``resume=True``.

    Args:
        student: ``'timm:NAME'``, ``'hf:NAME'``, a name that :func:`mmkd.list_models` gives, a config, a dict as in
            recipes, or an ``nn.Module``, which is trained in place. It gets the classes of the data.
        teacher: The same, or a dict of names to several; with weights.
        data: A folder (see :func:`mmkd.datasets.pictures.find_pictures`), the config of a data set, a torch
            ``Dataset``, or a pair of two of them, to train and to validate.
        method: A recipe of ``configs/quickstart/methods``, or a dict of terms. None takes ``nkd`` if the teacher has
            the student's classes, else ``fd``.
        epochs: Number of epochs.
        out: A new folder for everything that is written.
        labelled: A folder with classes; where the data have none, a k-NN classifier on it validates the features.
        labels: Whether the data have labels; False takes folders of pictures as one heap.
        classes: Names of the classes of a torch ``Dataset``; None asks it.
        val_share: The share of the pictures to validate on, where no folder for it is there.
        corrupt: ``'refuse'`` or ``'skip'``: what becomes of damaged pictures.
        size: Side of the images that the student is given; of the fake ones that check the shapes, where a config
            has pipelines of its own.
        batch_size: Images a step; None fits it to their number, up to 64, or leaves it to the config of the data.
        lr: Learning rate of AdamW; None follows the batch size.
        seed: Of the division, the initial weights and all that is drawn.
        amp: Mixed precision; None takes it where there is a GPU.
        workers: Processes that load images.
        augment: Whether to crop and flip the training images at random.
        pretrained: Whether a student of timm, Hugging Face or the index starts from published weights.
        resume: Whether to go on with the run in ``out``; one that has ended is not trained again.
        cfg_options: Dotted keys of the config to override.
        progress: Whether to show a bar; False prints MMEngine's log.
        train_now: False writes the config alone.
        trust_checkpoint: Whether checkpoints may run code.
        trackers: What is logged is written to these as well: ``'tensorboard'``, ``'wandb'``, … (see Monitoring).

    Returns:
        The result; with ``train_now=False`` the path of the config.

    Raises:
        UserError: Something does not fit; nothing has been written then, or nothing but the log of a start that failed.
    """
    folder = Path(out)
    training = Training(epochs, batch_size, lr, size, seed, amp, workers)
    training.check()
    check_folder(folder, resume)
    trackers = [trackers] if isinstance(trackers, str) else [*trackers]
    check_trackers(trackers)
    with only_warnings(progress), borrowed_process(trust_checkpoint):
        source = source_of(data, labels, val_share, seed, corrupt, classes)
        bank = _bank(labelled, source, val_share, seed, corrupt)
        if source.config is None:
            training.fill(source.images)
        else:
            training.follow(source.config.train_dataloader, augment)
        recipe = make_recipe(student_of(student, len(source.classes) or None, pretrained), teacher_of(teacher), source,
                             bank, method, training, augment, _mixed(amp))
        path = folder / NAME
        config = with_options(recipe, cfg_options)
        check_model(config, build=not train_now)
        text = config_text(recipe, config, path)
        with lock_folder(folder), ExitStack() as stack:
            check_folder(folder, resume)  # once more: another call may have come first
            check_config_is(text, path)
            stack.enter_context(freed_by_failure(folder, partial(_tell, progress=progress)))
            _write_lists(folder, source, bank)
            if not path.is_file():
                write_text(path, text)
            _say(recipe, training, progress)
            if not train_now:
                return path
            config = read_back(path, recipe)
            ended = resume and is_finished(folder / RUN, config)
            if ended:
                _tell([f'the run in {folder} has ended: nothing was trained'], progress)
            with modules_kept(config):
                runner = None if ended else train(config, folder / RUN, resume, progress, trackers)
            return _result(folder, recipe, source, config, runner)


def _bank(labelled: str | Path | None, source: Source, share: float, seed: int, corrupt: str) -> Source | None:
    if labelled is None:
        return None
    if source.labelled:
        raise UserError('labelled expects data without classes, which it is there to validate, got data with '
                        f'{len(source.classes)}. Leave it out, or set labels=False.')
    bank = of_folder(labelled, True, share, seed, corrupt, BANK_LISTS)
    if not bank.classes:
        raise UserError(f'labelled expects a folder with a subfolder a class, got {labelled}, which has none. Name '
                        'another one, or leave it out: the terms\' losses then validate.')
    return bank


def _mixed(amp: bool | None) -> bool:
    if amp and not torch.cuda.is_available():
        raise UserError('amp=True (--amp) expects a GPU, found only the CPU. Leave it out.')
    return torch.cuda.is_available() if amp is None else amp


def _write_lists(folder: Path, source: Source, bank: Source | None) -> None:
    for each, name in ((source, LISTS), (bank, BANK_LISTS)):
        if each is not None and each.pictures is not None:
            write_lists(each.pictures, folder / name)


def _say(recipe: Recipe, training: Training, progress: bool) -> None:
    """Tells what was decided, above the bar."""
    _tell([*recipe.notes, f'{training.epochs} epoch{"s" if training.epochs > 1 else ""}, {training.batch_size} images '
           f'a step, learning rate {training.lr:g}, images of {training.size}×{training.size}'], progress)


def _tell(lines: list[str], progress: bool) -> None:
    for line in lines:
        print(line, file=sys.stderr if progress else sys.stdout)


def _result(folder: Path, recipe: Recipe, source: Source, config: Config, runner: Any) -> DistillResult:
    checkpoint, weights = best_checkpoint(folder / RUN, recipe.best)
    content = read_checkpoint(checkpoint)
    own = own_weights(content, str(checkpoint))
    student = student_from(config, runner, own)
    paths = dict(config=folder / NAME, checkpoint=checkpoint, student=publish_student(config, content, own, folder))
    logs = sorted((folder / RUN).glob('*/*.log'))
    paths |= dict(log=logs[-1]) if logs else {}
    if source.pictures is not None:
        paths |= dict(lists=folder / LISTS) | (
            dict(classes=folder / LISTS / 'classes.txt') if source.classes else {})
    return DistillResult(student, source.classes, figures(folder / RUN, checkpoint), paths, weights, config)
