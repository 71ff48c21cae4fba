"""For each hyper-parameter that a paper states, a change of the config's value behind it.

Where each value lies in a config is said here once more, apart from :mod:`tests.configs.recipe_facts`.
"""
from collections.abc import Callable, Mapping
from typing import Any

from mmengine.config import Config, ConfigDict

from mmkd.utils.configs.finding import load_config

Change = Callable[[Config, Any], None]
OPTIMIZER = ('lr', 'weight_decay', 'betas', 'momentum', 'eps')
TRANSFORMS = {'rand_augment': ('RandAugment', 'magnitude_level'), 'random_erasing': ('RandomErasing', 'erase_prob'),
              'random_flip': ('RandomFlip', 'prob'), 'crop_ratio': ('RandomResizedCrop', 'crop_ratio_range'),
              'train_resize': ('Resize', 'scale'), 'color_jitter': ('ColorJitter', 'brightness')}
STUDENT = {'drop_path_rate': 'backbone.drop_path_rate', 'layer_scale': 'backbone.layer_scale_init_value',
           'label_smoothing': 'head.loss.label_smooth_val', 'hard_loss': 'head.loss.use_sigmoid',
           'num_classes': 'data_preprocessor.num_classes'}
PLACES = {'batch_size': 'auto_scale_lr.base_batch_size', 'epochs': 'train_cfg.max_epochs',
          'iterations': 'train_cfg.max_iters', 'optimizer': 'optim_wrapper.optimizer.type',
          'clip_grad': 'optim_wrapper.clip_grad.max_norm', 'layer_decay': 'optim_wrapper.paramwise_cfg.decay_rate',
          'decay_type': 'optim_wrapper.paramwise_cfg.decay_type', 'amp': 'optim_wrapper.type',
          'task_weight': 'model.task_weight', 'teacher': 'model.teacher.checkpoint',
          'repeated_augmentation': 'train_dataloader.sampler.num_repeats',
          **{name: f'optim_wrapper.optimizer.{name}' for name in OPTIMIZER}}


def changed(config: Config, name: str) -> Config:
    """A copy of a config in which the value behind a hyper-parameter is another.

    Args:
        config: A recipe.
        name: The hyper-parameter, as :mod:`tests.configs.recipe_facts` calls it.
    """
    config = config.copy()
    if name in PLACES:
        put(config, PLACES[name])
    elif name in STUDENT or name.startswith('backbone.'):
        put_into_student(config, STUDENT.get(name, name))
    elif name.startswith('term.'):
        change_term(config.model.terms, *name.split('.')[1:])
    elif name.startswith('lr_mult.'):
        config.optim_wrapper.paramwise_cfg.custom_keys[name.partition('.')[2]].lr_mult = 0.123
    elif name in ('mixup', 'cutmix'):
        change_batch_augment(config, name)
    elif name in ('warmup_epochs', 'lr_schedule'):
        change_schedule(config, name)
    elif name == 'ema_decay':
        change_average(config)
    else:
        change_pipeline(config, name)
    return config


def put(owner: Mapping, place: str, value: Any = None) -> None:
    """Changes what lies at dotted keys, or puts something where there is nothing."""
    *keys, last = place.split('.')
    for key in keys:
        if owner.get(key) is None:
            owner[key] = ConfigDict()
        owner = owner[key]
    owner[last] = another(owner.get(last)) if value is None else value


def at(owner: Mapping, place: str) -> Any:
    """What lies at dotted keys, if anything."""
    for key in place.split('.'):
        owner = (owner or {}).get(key)
    return owner


def another(value: Any) -> Any:
    """Something else of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return 'Another'
    if isinstance(value, list | tuple):
        return type(value)(map(another, value))
    return 0.25 if value is None else value / 2 if 0 < value < 1 else value * 2 + 1


def put_into_student(config: Config, place: str) -> None:
    """As :func:`put`, in the model that is trained: a recipe's options change the student's config."""
    if not config.model.type.endswith('Distiller'):
        owner = config if place.startswith('data_preprocessor') and 'data_preprocessor' in config else config.model
        if place.startswith('backbone.') and isinstance(owner.backbone.get('arch'), Mapping):
            field = place.rpartition('.')[2]
            place = f'backbone.arch.{field}' if field in owner.backbone.arch else place
        return put(owner, place)
    if place.startswith('data_preprocessor') and 'data_preprocessor' in config:
        return put(config, place)
    options, place = config.model.student.get('options', {}), f'model.{place}'
    add_option(config, place, another(at(load_config(config.model.student.config, options), place)))
    return None


def add_option(config: Config, place: str, value: Any) -> None:
    """An entry of a recipe that changes its student's config."""
    config.model.student.options = {**config.model.student.get('options', {}), place: value}


def change_term(terms: Mapping, name: str, key: str) -> None:
    """A term's loss, weight, taps or an argument of its loss; or a term more, where there must be none of that name."""
    if name not in terms:
        terms[name] = dict(loss=dict(type='mmkd.Another'), student='logits', teacher='logits')
    elif key == 'loss':
        terms[name].loss.type = 'mmkd.Another'
    elif key == 'weight' and isinstance(terms[name].get('weight'), Mapping):
        terms[name].weight.value = another(terms[name].weight.value)
    else:
        owner = terms[name] if key in ('weight', 'student', 'teacher') else terms[name].loss
        owner[key] = another(owner.get(key))


def change_batch_augment(config: Config, name: str) -> None:
    """The alpha of mixup or cutmix, which come first and second in all recipes."""
    value = [dict(type='Mixup', alpha=0.123), dict(type='CutMix', alpha=0.123)]
    if config.model.type.endswith('Distiller'):
        add_option(config, 'model.train_cfg.augments', value)
    else:
        config.model.train_cfg.augments = value


def change_schedule(config: Config, name: str) -> None:
    """The end of the warm-up, which comes first; the kind of what comes last."""
    schedulers = config.param_scheduler if isinstance(config.param_scheduler, list) else [config.param_scheduler]
    if name == 'lr_schedule':
        schedulers[-1].type = 'Another'
    elif schedulers[0].type == 'LinearLR':
        schedulers[0].end += 1
    else:
        config.param_scheduler = [ConfigDict(type='LinearLR', start_factor=0.1, end=1), *schedulers]


def change_average(config: Config) -> None:
    """The momentum of the weights' running average, or one where there must be none."""
    for hook in config.get('custom_hooks') or []:
        if hook['type'] == 'mmkd.EMAHook':
            hook['momentum'] = another(hook['momentum'])
            return
    config.custom_hooks = [ConfigDict(type='mmkd.EMAHook', momentum=1e-4)]


def change_pipeline(config: Config, name: str) -> None:
    """An argument of a transform, the transform itself, or one more where there must be none of its kind."""
    split = 'test' if name == 'test_size' else 'train'
    dataset = config[f'{split}_dataloader'].dataset
    steps = pipeline_of(dataset)
    if name == 'flip':
        dataset_without(dataset, 'RandomFlip')
    elif name == 'crop':
        next(step for step in steps if 'Crop' in kind_of(step)).type = 'CenterCrop'
    elif name == 'test_size':
        next(step for step in steps if kind_of(step) == 'CenterCrop').crop_size += 1
    elif name == 'train_size':
        step = [step for step in steps if kind_of(step) in ('RandomResizedCrop', 'RandomCrop', 'ResizeEdge')][-1]
        key = 'scale' if 'scale' in step else 'crop_size'
        step[key] = another(step[key])
    else:
        kind, key = TRANSFORMS[name]
        found = [step for step in steps if kind_of(step) == kind]
        if not found:
            return add_step(dataset, kind)
        found[-1][key] = another(found[-1].get(key, (0.08, 1.0) if key == 'crop_ratio_range' else None))
    return None


def kind_of(step: Mapping) -> str:
    """A transform's class, whichever package's."""
    return step.type.rpartition('.')[2]


def pipeline_of(dataset: Mapping) -> list:
    """The transforms of a dataset or of what it repeats."""
    return dataset.pipeline if 'pipeline' in dataset else pipeline_of(dataset.dataset)


def dataset_without(dataset: Mapping, kind: str) -> None:
    """Takes a kind of transform out."""
    if 'pipeline' not in dataset:
        return dataset_without(dataset.dataset, kind)
    dataset.pipeline = [step for step in dataset.pipeline if kind_of(step) != kind]
    return None


def add_step(dataset: Mapping, kind: str) -> None:
    """Adds a transform."""
    new = dict(type=kind, magnitude_level=9, num_policies=2, magnitude_std=0.5, erase_prob=0.25)
    dataset.pipeline = [*dataset.pipeline, ConfigDict(new)]
