"""What a recipe says of its views and its teacher, as plain data: written into a cache, and compared with it."""
from collections.abc import Mapping
from dataclasses import asdict

import torch
from torch import Tensor, nn

from mmkd.datasets.replay import ReplayedDataset, ViewIndex
from mmkd.datasets.replay.views import SCHEME
from mmkd.distillers import Teacher
from mmkd.distillers.inputs import normalisation
from mmkd.distillers.models import TEACHER_OPTIONS, read_spec
from mmkd.distillers.teacher import classes_of_teacher
from mmkd.distillers.teacher.cached import form_of_input
from mmkd.records import canonical, sample_facts, weights_hash
from mmkd.utils.building.build import type_name

ELSEWHERE = ('backend_args', 'file_client_args')  # where images are read from, which changes none
WEIGHTS = ('init_cfg', 'pretrained')  # where weights come from, which are compared themselves
AS_STUDENT = 'as the student'  # no dtype of its own: fp32 when it was asked, outside of a training


def view_facts(config: Mapping, dataset: ReplayedDataset, preprocessor: nn.Module) -> dict:
    """The facts that decide a view and what a model gets of it.

    Args:
        config: The recipe, whose mixing the data set has taken over.
        dataset: Its training data.
        preprocessor: The student's data preprocessor.
    """
    found = normalisation(preprocessor)
    first = dataset[ViewIndex(0, 0)]['inputs']
    return dict(
        sample_facts(dataset.dataset), scheme=SCHEME, seed=dataset.seed, num_classes=dataset.num_classes,
        pipeline=canonical(_pipelines(config['train_dataloader']['dataset'])),
        mixing=None if dataset.mixing is None else canonical(dataset.mixing.augments) + [canonical(
            dataset.mixing.edges)],
        input_size=list(first.shape) if isinstance(first, Tensor) else None,
        normalisation=None if found is None else canonical(found | {key: found[key].flatten()
                                                                    for key in ('mean', 'std')}))


def _pipelines(cfg: Mapping) -> object:
    """The transforms of a data set and of those inside it, without where the files lie."""
    inner = cfg.get('datasets') or ([cfg['dataset']] if isinstance(cfg.get('dataset'), Mapping) else [])
    own = _without(cfg.get('pipeline') or [])
    found = [_pipelines(each) for each in inner if isinstance(each, Mapping)]
    if not found:
        return own
    return [own, *found] if own or len(found) > 1 else found[0]


def _without(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _without(item) for key, item in value.items() if key not in ELSEWHERE}
    return [_without(item) for item in value] if isinstance(value, list | tuple) else value


def teacher_config(cfg: Mapping, role: str = 'teacher') -> dict:
    """The config of a teacher's model as plain data, without where its weights come from.

    Args:
        cfg: What the recipe says of it.
        role: What messages call it.
    """
    spec = read_spec({key: value for key, value in cfg.items() if key not in TEACHER_OPTIONS}, role)
    return canonical({key: value for key, value in spec.cfg.items() if key not in WEIGHTS})


def autocast_dtype(config: Mapping) -> str | None:
    """The ``dtype`` in which a teacher that states none runs live: that of the recipe's mixed precision, if any."""
    optimizer = config.get('optim_wrapper') or {}
    if type_name(optimizer) != 'AmpOptimWrapper':
        return None
    return {'bfloat16': 'bf16'}.get(str(optimizer.get('dtype')).removeprefix('torch.'), 'fp16')


def dtype_fact(dtype: torch.dtype | None) -> str:
    """A teacher's dtype as the header has it."""
    return AS_STUDENT if dtype is None else str(dtype).removeprefix('torch.')


def teacher_facts(cfg: dict, teacher: Teacher) -> dict:
    """The facts that decide what a teacher answers.

    Args:
        cfg: What the recipe says of it.
        teacher: The teacher, whose weights are read.
    """
    found = dict(weights=weights_hash(teacher.model.state_dict()), config=teacher_config(cfg),
                 dtype=dtype_fact(teacher.dtype), adapter=form_of_input(teacher.adapter))
    classes = classes_of_teacher(cfg, teacher)
    named = {} if classes is None else {key: value for key, value in asdict(classes).items() if key != 'where'}
    return found | (dict(classes=named) if named else {})
