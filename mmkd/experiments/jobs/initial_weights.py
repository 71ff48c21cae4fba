"""The files that a run's models start from: a run that lacks one is refused before any other is trained."""
import copy
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from mmengine.config import Config

from mmkd.utils.checkpoints.files import sha256_of
from mmkd.utils.checkpoints.weights import split_choice
from mmkd.utils.configs.options import merge_options, nested
from mmkd.utils.errors import UserError

FILE_KEYS = ('pretrained', 'teacher_ckpt')  # timm's and mmdet's; mmdet's of detectors that have a teacher
OVERLAY = 'pretrained_cfg_overlay'  # of timm: its file stands for the weights that `pretrained=True` would download
FORMS = {'type', 'config', 'timm', 'hf', 'module', 'ema', 'cache'}  # keys of a single teacher; others are names
ENDINGS = ('.pth', '.pt', '.bin', '.safetensors')
ELSEWHERE = re.compile(r'[\w.-]{2,}:')  # https://…, hf://…, open-mmlab:…

Load = Callable[[str], Config]


def initial_files(config: Config, load: Load) -> list[Path]:
    """The files that the model of a config, or the student of a recipe, starts from, and that of ``load_from``.

    Args:
        config: A config, with its options.
        load: Loads the config of a student by its name.
    """
    model = config.model
    names = [*_names_of(model['student'] if model.get('student') else model, load)]
    return list(_files([*names, config.get('load_from')]))


def teacher_files(config: Config, load: Load) -> list[Path]:
    """The files that the teachers of a recipe start from.

    Args:
        config: A config, with its options.
        load: Loads the config of a teacher by its name.
    """
    teacher = config.model.get('teacher')
    if not isinstance(teacher, Mapping):
        return []
    specs = [teacher] if FORMS & set(teacher) else list(teacher.values())
    return list(_files(name for spec in specs for name in _names_of(spec, load)))


def check_files(run: str, files: list[Path]) -> None:
    """Refuses a run whose files are not there.

    Raises:
        UserError: One is not.
    """
    for path in files:
        if not path.is_file():
            raise UserError(f'{run} expects the weights that its models start from in {path}, which does not exist. '
                            'Train that model first, or put its checkpoint there.')


def hashes(files: Iterable[Path], sha256: Callable[[Path], str] = sha256_of) -> list[str]:
    """What is in the files that are there, in short."""
    return [sha256(path) for path in files if path.is_file()]


def _names_of(spec: object, load: Load) -> Iterator[object]:
    """What a model's dict names as its weights; a checkpoint of its own takes the place of all others."""
    if isinstance(spec, Mapping) and spec.get('checkpoint'):
        yield spec['checkpoint']
    elif isinstance(spec, Mapping) and 'config' in spec:
        model = copy.deepcopy(load(spec['config']))
        merge_options(model, nested(spec.get('options') or {}))
        yield from _inner(model.model)
    else:
        yield from _inner(spec)


def _inner(cfg: object) -> Iterator[object]:
    if isinstance(cfg, Mapping):
        if str(cfg.get('type')).rpartition('.')[2] in ('Pretrained', 'PretrainedInit'):
            yield cfg.get('checkpoint')
            return
        yield from (cfg[key] for key in FILE_KEYS if key in cfg)
        if cfg.get('pretrained') is True and isinstance(cfg.get(OVERLAY), Mapping):
            yield cfg[OVERLAY].get('file')
    for value in cfg.values() if isinstance(cfg, Mapping) else cfg if isinstance(cfg, list | tuple) else ():
        yield from _inner(value)


def _files(names: Iterable[object]) -> Iterator[Path]:
    """Those of the names that are files of this machine; others are addresses, or names of a model index."""
    for name in names:
        if not isinstance(name, str | Path) or not str(name):
            continue
        if names_file(str(name)):
            yield Path(split_choice(str(name))[0]).expanduser()


def names_file(name: str) -> bool:
    """Whether a checkpoint's name is that of a file, there or not: others are addresses, or names of a model index."""
    path = Path(split_choice(name)[0]).expanduser()
    return path.is_file() or not ELSEWHERE.match(name) and (len(path.parts) > 1 or path.suffix in ENDINGS)
