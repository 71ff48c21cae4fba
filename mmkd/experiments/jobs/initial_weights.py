"""The files that a run's model starts from: a run that lacks one is refused before any other is trained."""
import copy
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from mmengine.config import Config

from mmkd.utils.checkpoints.files import sha256_of
from mmkd.utils.configs.options import merge_options, nested
from mmkd.utils.errors import UserError


def initial_files(config: Config, load: Callable[[str], Config]) -> list[Path]:
    """The files that the model of a config, or the student of a recipe, reads by ``init_cfg``.

    Args:
        config: A config, with its options.
        load: Loads the config of a student by its name.
    """
    student = config.model.get('student')
    if not isinstance(student, Mapping) or 'config' not in student:
        return list(_files(student or config.model))
    model = copy.deepcopy(load(student['config']))
    merge_options(model, nested(student.get('options') or {}))
    return initial_files(model, load)


def check_files(run: str, files: list[Path]) -> None:
    """Refuses a run whose files are not there.

    Raises:
        UserError: One is not.
    """
    for path in files:
        if not path.is_file():
            raise UserError(f'{run} expects the weights that its backbone starts from in {path}, which does not exist. '
                            'Train that model first, or put its checkpoint there.')


def hashes(files: list[Path]) -> list[str]:
    """What is in the files that are there, in short."""
    return [sha256_of(path) for path in files if path.is_file()]


def _files(cfg: object) -> Iterator[Path]:
    if isinstance(cfg, Mapping):
        name = cfg.get('checkpoint')
        if str(cfg.get('type')).rpartition('.')[2] in ('Pretrained', 'PretrainedInit') and isinstance(name, str):
            if '://' not in name:
                yield Path(name)
            return
    for value in cfg.values() if isinstance(cfg, Mapping) else cfg if isinstance(cfg, list | tuple) else ():
        yield from _files(value)
