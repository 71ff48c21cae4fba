"""Choosing the weights and temperatures of a method: a grid, of which the better part is trained to the end."""
import itertools
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from mmkd.experiments.jobs.runs import printed
from mmkd.experiments.jobs.scheduler import Job
from mmkd.experiments.jobs.training import TrainJob
from mmkd.utils import UserError, nearest
from mmkd.utils.command_line.tables import markdown_table
from mmkd.utils.configs.harmless import check_runs_no_code
from mmkd.utils.files.small import read_json

Setting = dict[str, object]  # dotted keys of a config to values; {} is what the recipe says itself
NOT_FINITE = 'expects finite numbers'  # of the error that ends a run that diverged
HEADER = ('method', 'setting', 'short run', 'whole run', '')


class Trial(TrainJob):
    """A run with one setting; one that diverges is the worst setting, and no error."""

    def failed_result(self) -> dict | None:
        """Nothing, where the run was stopped because of NaN or inf."""
        return {} if NOT_FINITE in printed(self)[-4000:] else None

    def done(self) -> dict | None:
        """See :class:`~mmkd.experiments.jobs.scheduler.Job`; a run that diverged need not have a checkpoint."""
        diverged = Job.done(self)
        return diverged if diverged and not diverged['metrics'] else super().done()


def settings_of(grid: Mapping[str, Sequence], budget: int, seed: int = 0) -> list[Setting]:
    """The settings that a method tries: the recipe's own, and others of the grid.

    Args:
        grid: Dotted key of the config to the values that it may take.
        budget: How many there may be, so that each method has as many.
        seed: Which are drawn, where the grid has more.

    Raises:
        UserError: A key has no list of values.
    """
    for key, values in grid.items():
        if not isinstance(values, list | tuple) or not values:
            raise UserError(f'a grid expects a list of values for {key}, got {values!r}. Write [1, 2].')
    found = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())] if grid else []
    if len(found) > budget - 1:
        chosen = set(random.Random(seed).sample(range(len(found)), max(budget - 1, 0)))
        found = [setting for place, setting in enumerate(found) if place in chosen]
    return [{}, *found]


def read_grids(path: Path, methods: Sequence[str]) -> dict[str, dict[str, list]]:
    """Reads a file of grids: method to dotted key to values.

    Args:
        path: The YAML file.
        methods: Which there are; one without a grid is trained as its recipe says.

    Raises:
        UserError: It is missing, is no such file, or names a method that there is not.
    """
    try:
        grids = yaml.safe_load(path.read_text(encoding='utf-8'))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f'--grids expects a YAML file, got {path}: {error}. Write METHOD: {{KEY: [1, 2]}}.') from error
    if not isinstance(grids, dict) or not all(isinstance(grid, dict) for grid in grids.values()):
        raise UserError(f'--grids expects METHOD: {{KEY: [1, 2]}}, got other contents of {path}. Correct it.')
    for name in grids.keys() - set(methods):
        raise UserError(f'{path} expects names of methods, got {name!r}. {nearest(str(name), methods)}')
    check_runs_no_code(grids, str(path))
    return grids


@dataclass
class Tried:
    """A setting, and the accuracies with it.

    Args:
        setting: The setting.
        short: After the short run; NaN if that diverged.
        whole: After the whole run; None if it had none, NaN if it diverged.
    """
    setting: Setting
    short: float
    whole: float | None = None

    @property
    def last(self) -> float:
        """What counts: the accuracy after the whole run, if it had one."""
        return self.short if self.whole is None else self.whole


def survivors(tried: Sequence[Tried], keep: int) -> list[int]:
    """Places of the settings that are trained to the end: the best after the short run; none that diverged."""
    finite = [place for place, each in enumerate(tried) if not math.isnan(each.short)]
    return sorted(sorted(finite, key=lambda place: -tried[place].short)[:keep])


def best_of(tried: Sequence[Tried]) -> int | None:
    """The place of the setting with the best whole run, or short run if there are no whole ones; the first of equals.

    None if all diverged.
    """
    whole = [place for place, each in enumerate(tried) if each.whole is not None] or range(len(tried))
    finite = [place for place in whole if not math.isnan(tried[place].last)]
    return max(finite, key=lambda place: tried[place].last, default=None)


def tuning_table(methods: Mapping[str, Sequence[Tried]]) -> str:
    """All settings of all methods as a Markdown table; the best of each is marked."""
    rows = []
    for name, tried in methods.items():
        best = best_of(tried)
        for place, each in enumerate(tried):
            rows.append((name, described(each.setting), _shown(each.short),
                         '' if each.whole is None else _shown(each.whole), 'best' if place == best else ''))
    return markdown_table(HEADER, rows, numbers=(2, 3))


def described(setting: Setting) -> str:
    """A setting in words: the ends of its keys and their values."""
    return ', '.join(f'{key.removeprefix("model.").removeprefix("terms.")}={value}'
                     for key, value in setting.items()) or 'as the recipe'


def _shown(value: float) -> str:
    return 'diverged' if math.isnan(value) else f'{value:.2f}'


def read_best(path: Path, methods: Sequence[str]) -> dict[str, Setting]:
    """Reads what a tuning has chosen: method to config entries.

    Raises:
        UserError: It is no such file, or lacks a method.
    """
    content = read_json(path)
    if not isinstance(content.get('best'), dict):
        raise UserError(f'--tuned expects best.json of tools/tune.py, got {path}. Run that first.')
    for name in set(methods) - content['best'].keys():
        raise UserError(f'--tuned expects a setting for {name}, got none in {path}. Tune it too.')
    check_runs_no_code(content['best'], str(path))
    return {name: content['best'][name] for name in methods}
