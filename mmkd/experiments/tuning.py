"""Choosing the weights and temperatures of a method: a grid, of which the better part is trained to the end."""
import itertools
import math
import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from mmengine.config import Config
from mmengine.registry import OPTIMIZERS

from mmkd.experiments.jobs.runs import printed
from mmkd.experiments.jobs.scheduler import Job
from mmkd.experiments.jobs.training import TrainJob, fingerprint, value_at
from mmkd.experiments.suites import overlapping
from mmkd.utils import UserError, nearest
from mmkd.utils.building.signatures import check_given
from mmkd.utils.command_line.tables import markdown_table
from mmkd.utils.configs.harmless import check_runs_no_code
from mmkd.utils.configs.keys import check_config
from mmkd.utils.files.small import read_json

Setting = dict[str, object]  # dotted keys of a config to values; {} is what the recipe says itself
NOT_FINITE = 'expects finite numbers'  # of the error that ends a run that diverged
TERM = re.compile(r'model\.terms\.[^.]+')
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


def settings_of(grid: Mapping[str, Sequence], budget: int, seed: int = 0, config: Config | None = None
                ) -> list[Setting]:
    """The settings that a method tries: the recipe's own, and others of the grid, none of them twice.

    Args:
        grid: Dotted key of the config to the values that it may take.
        budget: How many there may be, so that each method has as many.
        seed: Which are drawn, where the grid has more; a larger budget draws others on top.
        config: The recipe, with what else is set.

    Raises:
        UserError: A key has no list of values.
    """
    for key, values in grid.items():
        if not isinstance(values, list | tuple) or not values:
            raise UserError(f'a grid expects a list of values for {key}, got {values!r}. Write [1, 2].')
    found = [own_setting(grid, config or Config())]
    for values in itertools.product(*grid.values()):
        setting = dict(zip(grid, values, strict=True))
        if setting not in found:
            found.append(setting)
    drawn = random.Random(seed).sample(range(1, len(found)), len(found) - 1)[:budget - 1]
    return [{}, *(found[place] for place in sorted(drawn))]


def own_setting(grid: Iterable[str], config: Config) -> Setting:
    """What a recipe itself says for the keys of a grid; a term's weight is 1 where it says none."""
    own = {key: value_at(config, key) for key in grid}
    return {key: 1. if value is None and TERM.fullmatch(key.removesuffix('.weight')) else value
            for key, value in own.items()}


def setting_name(setting: Setting) -> str:
    """A short name of a setting, the same whatever else is tried."""
    return fingerprint(setting)[:8] if setting else 'own'


def check_keys(name: str, grid: Iterable[str], config: Config, fixed: Iterable[str] = ()) -> None:
    """Looks for misspelt keys of a grid, as far as can be told without building a model, and for those set elsewhere.

    Args:
        name: The method.
        grid: Dotted keys.
        config: The method's recipe, with what else is set.
        fixed: Keys that the command line sets.

    Raises:
        UserError: The recipe has no place for a key, a term takes none of that name, or something else sets it.
    """
    from mmkd.distillers.term.term import KEYS  # takes a second
    if found := overlapping(grid, fixed):
        raise UserError(f'a grid of {name} expects keys that nothing else sets, got {", ".join(found)}, which is also '
                        'set by --cfg-options or --teacher-checkpoint. Leave one of them out.')
    for key in grid:
        above, _, last = key.rpartition('.')
        place = value_at(config, above) if above else config
        if place is None:
            raise UserError(f'a grid of {name} expects a place that its recipe has, got {key}. '
                            f'Its terms are: {", ".join(map("model.terms.{}".format, config.model.terms))}.')
        if TERM.fullmatch(above) and last not in KEYS:
            raise UserError(f'a grid of {name} expects a key of a term, got {last!r}. {nearest(last, KEYS)}')


def check_setting(name: str, setting: Setting, config: Config) -> None:
    """Looks for what no run with a setting could take, as far as can be told without building a model.

    Args:
        name: The method.
        setting: The setting.
        config: The method's recipe, with the setting and what else is set. Where it has modules of its own, which are
            not imported here, its terms and its optimizer are not compared with their classes.

    Raises:
        UserError: A value is none that its place takes, or a term or the optimizer has no such argument.
    """
    from mmkd.distillers.term.examining import examine_term  # takes a second
    what = f'{name} ({described(setting)})'
    check_config(config, what)
    if config.get('custom_imports'):
        return
    try:
        for term, cfg in config.model.terms.items():
            examine_term(term, cfg)
        optimizer = config.optim_wrapper.get('optimizer') or {}
        if kind := OPTIMIZERS.get(str(optimizer.get('type'))):  # those of other packages have no entry here
            check_given(kind, optimizer)
    except UserError as error:
        raise UserError(f'{what}: {error}') from error


class _Loader(yaml.SafeLoader):
    """Refuses a key that is there twice, of which PyYAML would take the last, and reads 1e-3 as the number it is."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        """See PyYAML."""
        keys = [key.value for key, _ in node.value]
        if twice := next((key for key, _ in node.value if keys.count(key.value) > 1), None):
            raise yaml.constructor.ConstructorError(None, None, f'found {twice.value} twice', twice.start_mark)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    'tag:yaml.org,2002:float', re.compile(r'[-+]?\d+(\.\d*)?[eE][-+]?\d+$'), [*'-+0123456789'])


def read_grids(path: Path, methods: Sequence[str]) -> dict[str, dict[str, list]]:
    """Reads a file of grids: method to dotted key to values.

    Args:
        path: The YAML file.
        methods: Which there are; one without a grid is trained as its recipe says.

    Raises:
        UserError: It is missing, is no such file, names a method that there is not, or has a key twice.
    """
    try:
        grids = yaml.load(path.read_text(encoding='utf-8'), _Loader)
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f'--grids expects a YAML file, got {path}: {error}. Write METHOD: {{KEY: [1, 2]}}.') from error
    if not isinstance(grids, dict) or not all(isinstance(grid, dict) and all(isinstance(key, str) for key in grid)
                                              for grid in grids.values()):
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


def read_best(path: Path, methods: Sequence[str], suite: str) -> dict[str, Setting]:
    """Reads what a tuning has chosen: method to config entries.

    Args:
        path: Its ``best.json``.
        methods: Which are wanted.
        suite: What is compared; an older file does not say what it was tuned on.

    Raises:
        UserError: It is no such file, is of another suite, or lacks a method.
    """
    content = read_json(path)
    best = content.get('best')
    if not isinstance(best, dict) or not all(isinstance(setting, dict) for setting in best.values()):
        raise UserError(f'--tuned expects best.json of tools/tune.py, got {path}. Run that first.')
    if content.get('suite', suite) != suite:
        raise UserError(f'--tuned expects settings for the suite {suite}, got those for {content["suite"]} in {path}. '
                        'Tune that suite.')
    for name in set(methods) - best.keys():
        raise UserError(f'--tuned expects a setting for {name}, got none in {path}. Tune it too.')
    check_runs_no_code(best, str(path))
    return {name: best[name] for name in methods}
