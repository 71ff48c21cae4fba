"""Which configs to train so that together they have everything that any config has."""
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict

from mmkd.distillers.teacher import named_teachers

from .reading import ROOT, config_below, every_config, fingerprint, shown

PARTS = ('optim_wrapper', 'param_scheduler', 'train_dataloader', 'custom_hooks')
SIZE = re.compile(r'tiny|small|base|large|patch\d+|\d+')  # words in timm's names that do not tell the family
NAMES_ONLY = {'_scope_', 'data_root', 'ann_file', 'data_prefix', 'num_classes', 'checkpoint'}


@cache
def representatives() -> list[str]:
    """The greedy choice: again and again the config that has most of what no chosen one has; the first of equals."""
    found = {name: set(ingredients(name, config)) for name, config in sorted(every_config().items())}
    missing, chosen = set().union(*found.values()), []
    while missing:
        chosen.append(max(found, key=lambda name: len(found[name] & missing)))
        missing -= found[chosen[-1]]
    return sorted(chosen)


def ingredients(name: str, config: Config) -> Iterator[tuple[str, str]]:
    """What a training is made of: kinds and arguments of its parts, but not their numbers.

    That is its folder, task and synchronised norms; the bases of its folder; data, pipeline and sampler; optimizer and
    schedule; hooks;
    the backbones of student and teacher; the student's loss and batch augmentation; and each term.
    """
    folder = name.split('/')[0]
    yield 'task', f'{folder} {config.default_scope}'
    yield 'norms', f'{folder} {config.get("sync_bn")}'
    yield from (('base', shown(path)) for path in bases(config) if shown(path).startswith(f'{folder}/_base_'))
    yield from ((part, structure(config.get(part))) for part in PARTS)
    model = config.model
    if model['type'].endswith('Distiller'):
        yield from (('teacher', kind(of(teacher))) for teacher in named_teachers(ConfigDict(model.teacher)).values())
        yield from (('term', structure([term.loss, term.get('connector'), term.get('teacher_norm')]))
                    for term in model.terms.values())
        yield 'task weight', str(model.get('task_weight', 1.0) > 0)
        named = model.student.get('config')
        yield from (('base', shown(path)) for path in (bases(config_below(named)) if named else ())
                    if shown(path).startswith(f'{folder}/_base_'))
        model = of(model.student)
    yield 'student', kind(model)
    yield 'loss', structure((model.get('head') or {}).get('loss'))
    yield 'batch augmentation', structure((model.get('train_cfg') or {}).get('augments'))


def bases(config: Config) -> set[Path]:
    """The files of this project that a config was read from."""
    lines = {line for line in config.text.splitlines() if line.endswith('.py') and not line.startswith('#')}
    return {path for path in (Path(line).resolve() for line in lines) if path.is_file() and ROOT in path.parents}


def of(spec: Mapping) -> Mapping:
    """The model that a recipe names as its student or teacher."""
    if 'config' in spec:
        model = config_below(spec['config']).model
        return of(model.student) if model['type'].endswith('Distiller') else model
    return dict(type='TimmClassifier', model_name=spec['timm']) if 'timm' in spec else spec


def kind(model: Mapping) -> str:
    """The classes of a model and its backbone; of timm's models the family."""
    if 'backbone' in model:
        inner = model['backbone']['type']
    else:
        words = model['model_name'].partition('.')[0].split('_')
        inner = '_'.join(word for word in words if not SIZE.fullmatch(word))
    return f'{model["type"]} {inner}'


def structure(value: Any) -> str:
    """A config as text in which all numbers are 0, and a list of them is a single one."""
    return fingerprint(_without_numbers(value))


def _without_numbers(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_numbers(item) for key, item in value.items() if key not in NAMES_ONLY}
    if isinstance(value, list | tuple):
        items = [_without_numbers(item) for item in value]
        return 0 if items and all(item == 0 and item is not False for item in items) else items
    return 0 if isinstance(value, int | float) and not isinstance(value, bool) else value
