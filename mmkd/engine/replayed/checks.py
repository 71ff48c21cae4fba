"""Whether caches are of the views that a training sees, and of its teachers."""
from collections.abc import Mapping

from mmengine.config import ConfigDict
from mmengine.logging import print_log

from mmkd.distillers.models import FORMS
from mmkd.distillers.teacher import named_teachers, teacher_role
from mmkd.distillers.teacher.teacher import DTYPES
from mmkd.records import Header, Reader
from mmkd.records.hashes import first_difference
from mmkd.utils import UserError

from .facts import AS_STUDENT, WEIGHTS, autocast_dtype, dtype_fact, teacher_config

# What changes no answer of a model with the same weights: its default scope, stated or not, and what only trains.
SILENT = (*WEIGHTS, '_scope_', 'train_cfg', 'loss', 'drop_path_rate', 'drop_rate', 'with_cp', 'frozen_stages',
          'norm_eval')


def check_caches(readers: Mapping[str, Reader], facts: dict) -> None:
    """Compares the header of each cache with the views of a training.

    Args:
        readers: Name of the teacher to the reader of its cache.
        facts: What :func:`~mmkd.engine.replayed.facts.view_facts` says of the training data.

    Raises:
        UserError: A cache is of other views; the message names all that differs.
    """
    for name, reader in readers.items():
        theirs = reader.header
        ours = Header(facts, theirs.teacher, theirs.format, theirs.epochs)
        found = theirs.differences(ours, teacher=False, format=False)
        if found:
            raise UserError(f'the {teacher_role(name)} expects the views that {reader.path} was built with, got '
                            f'others: {"; ".join(found)}. Train on those, or build a cache for these.')
        for text in theirs.warnings(ours):
            print_log(f'The cache {reader.path}: {text}. Views may differ, which their checksums would show.',
                      logger='current', level=30)


def check_teachers(config: Mapping, readers: Mapping[str, Reader]) -> None:
    """Compares what a recipe says of its cached teachers with the headers; of one that is only a cache it says nothing.

    Args:
        config: The recipe.
        readers: Name of the teacher to the reader of its cache.

    Raises:
        UserError: A cache is of another model, or its teacher ran in another dtype than the recipe states.
    """
    for name, reader in readers.items():
        own = ConfigDict(named_teachers(config['model']['teacher'])[name]).to_dict()
        if set(FORMS) & set(own):
            _check_config(own, reader, teacher_role(name))
            _check_dtype(own.get('dtype'), autocast_dtype(config), reader, teacher_role(name))


def _check_config(cfg: dict, reader: Reader, role: str) -> None:
    theirs = reader.header.teacher.get('config')
    if theirs is None or 'module' in cfg:  # a module has no config to compare
        return
    found = first_difference(_answering(theirs), _answering(teacher_config(cfg, role)), 'its config')
    if found:
        raise UserError(f'the {role} expects the model that {reader.path} was built with, but {found}. Set it as it '
                        'was then, or build a cache of the present one.')


def _answering(config: object) -> object:
    """A model's config without what changes none of its answers if the weights are the same."""
    if isinstance(config, Mapping):
        return {key: _answering(value) for key, value in config.items() if key not in SILENT}
    return [_answering(value) for value in config] if isinstance(config, list) else config


def _check_dtype(stated: str | None, autocast: str | None, reader: Reader, role: str) -> None:
    theirs = reader.header.teacher.get('dtype')
    ours = dtype_fact(DTYPES.get(str(stated or autocast)))
    if theirs is None or _precision(theirs) == _precision(ours):
        return
    if stated:
        raise UserError(f'the {role} expects its dtype to be {theirs}, in which it answered for {reader.path}, got '
                        f'{stated!r}. Leave dtype out, or build a cache with --teacher-dtype {stated}.')
    print_log(f'The {role} answered for {reader.path} in {theirs}, and would run here in {_precision(ours)}: its '
              'answers differ from those of a live run by roundings.', logger='current', level=30)


def _precision(dtype: str) -> str:
    return 'float32' if dtype == AS_STUDENT else dtype
