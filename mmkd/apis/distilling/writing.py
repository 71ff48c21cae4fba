"""Writing the config of a call, and putting back what text cannot hold."""
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict

from mmkd.utils import UserError
from mmkd.utils.configs.finding import load_config
from mmkd.utils.configs.keys import check_config
from mmkd.utils.configs.options import merge_options
from mmkd.utils.configs.text import config_text as text_of
from mmkd.utils.given import Given

from .recipe import Recipe

NAME = 'config.py'
RUN = 'run'  # MMEngine writes its own copy of the config beside the checkpoints
FAILED = 'failed'
LISTED = {'lists', 'labelled'}
WRITTEN_FIRST = LISTED | {FAILED}  # a call may have ended between these and its config
HEAD = """\
# Written by mmkd.distill: {method}.
# Train it again, here or on several GPUs: mmkd train {path} --work-dir FOLDER
"""
MISSING = """\
# It cannot be trained by itself: {what} were handed over in Python, and have to be again. Elsewhere put in what a
# config can name: dict(timm='…'), dict(config='…'), a data set by its type.
"""


def with_options(recipe: Recipe, options: Mapping | None) -> Config:
    """The config of a recipe, with further options in it.

    Args:
        recipe: What is trained.
        options: Dotted keys to override, as ``--cfg-options`` gives them.

    Raises:
        UserError: An option has a key that nothing reads, or a value that cannot be.
    """
    config = Config(recipe.config)
    if not isinstance(options or {}, Mapping):
        raise UserError("cfg_options expects a dict of dotted keys such as {'optim_wrapper.optimizer.lr': 1e-3}, got "
                        f'{options!r}. Write it so.')
    if options:
        merge_options(config, dict(options))
        check_config(config, 'cfg_options')
    return config


def config_text(recipe: Recipe, config: Config, path: Path) -> str:
    """The text of a config.

    Args:
        recipe: What is trained.
        config: Its config with all options.
        path: Where it will be, for its first lines.

    Raises:
        UserError: It has a value that no text can hold.
    """
    sections = ConfigDict(config._cfg_dict).to_dict()
    head = HEAD.format(method=recipe.method.name, path=path.as_posix())
    lost = [key for key, _ in given_in(recipe.config)]
    if lost:
        head += MISSING.format(what=' and '.join(lost))
    return f'{head}\n{text_of(sections)}'


def given_in(value: Any, key: str = '') -> Iterator[tuple[str, Given]]:
    """The objects in a config that only this process has, with their dotted keys."""
    if isinstance(value, Given):
        yield key, value
    items = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list | tuple) else ()
    for name, item in items:
        yield from given_in(item, f'{key}.{name}' if key else str(name))


def check_config_is(text: str, path: Path) -> None:
    """Checks that a run that is to go on has this config, whatever the comments in it say.

    Args:
        text: The config.
        path: Its file.

    Raises:
        UserError: The run has another config.
    """
    if not path.is_file():
        return
    old, new = _lines(path.read_text(encoding='utf-8')), _lines(text)
    if old != new:
        raise UserError(f'out={path.parent} with resume=True expects the arguments of the run that stands there, got '
                        f'others: {_difference(old, new)}. Give the same ones, or another folder.')


@contextmanager
def freed_by_failure(out: Path, tell: Callable[[list[str]], None]) -> Iterator[None]:
    """Frees the folder of a run that begins, if it ends in an error before anything was trained; the log is kept.

    A config that had been there already, and what Ctrl-C leaves for ``resume``, stay.

    Args:
        out: The folder.
        tell: Gets a line that says so.
    """
    begins = not (out / NAME).is_file()
    try:
        yield
    except Exception:
        if begins and not any((out / RUN).glob('*.pth')):
            _free(out)
            log = f'; the log is in {out / FAILED}' if (out / FAILED).is_dir() else ''
            tell([f'nothing was trained: a corrected call can take {out} again{log}'])
        raise


def _free(out: Path) -> None:
    (out / NAME).unlink(missing_ok=True)
    for name in LISTED:
        for part in ('train', 'val', 'classes'):
            (out / name / f'{part}.txt').unlink(missing_ok=True)
        with suppress(OSError):  # it is not there, or holds something else
            (out / name).rmdir()
    if (out / RUN).is_dir():
        shutil.rmtree(out / FAILED, ignore_errors=True)
        (out / RUN).rename(out / FAILED)


def check_folder(out: Path, resume: bool) -> None:
    """Checks that a run may write to a folder.

    Raises:
        UserError: It holds another run or other files, or is a file; or there are several processes.
    """
    if int(os.environ.get('WORLD_SIZE') or 1) > 1:
        raise UserError('mmkd.distill expects one process, got several. Let one write the config (train_now=False, '
                        '--config-only) and train it with tools/dist_train.sh.')
    if out.is_file():
        raise UserError(f'out expects a folder, got the file {out}. Name another one.')
    found = {path.name for path in out.iterdir() if not path.name.startswith('.')} if out.is_dir() else set()
    if found <= WRITTEN_FIRST or (resume and NAME in found):
        return
    what = 'another run' if (out / NAME).is_file() else 'other files'
    raise UserError(f'out expects a folder for this run alone, got {out}, which holds {what}. Name another one'
                    + (', or go on with that run (resume=True, --resume).' if what == 'another run' else '.'))


def read_back(path: Path, recipe: Recipe) -> Config:
    """Loads the config that was written, with the objects in their places."""
    config = load_config(path)
    for key, value in given_in(recipe.config):
        *parents, last = key.split('.')
        place: Any = config
        for name in parents:
            place = place[int(name)] if isinstance(place, list | tuple) else place[name]
        place[int(last) if isinstance(place, list) else last] = value
    return config


def _lines(text: str) -> list[str]:
    """What a config says: without the comments, which name its folder as one call has spelt it."""
    return [line for line in text.splitlines() if line and not line.startswith('#')]


def _difference(old: list[str], new: list[str]) -> str:
    """The first lines in which two configs differ."""
    lines = [line.strip() for line in new if line not in old]
    gone = [line.strip() for line in old if line not in new]
    return f'{(lines or ["fewer lines"])[0]!r} in place of {(gone or ["nothing"])[0]!r}'
