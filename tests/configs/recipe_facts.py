"""The hyper-parameters of a recipe, read off its resolved config under the names that papers use."""
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config

from mmkd.distillers.models import student_config


def recipe_facts(config: Config) -> dict[str, Any]:
    """Reads what a paper would state of a training.

    Args:
        config: A resolved config, of a distillation or of an ordinary training.

    Returns:
        Name to value. ``batch_size`` is over all GPUs, ``teacher`` is a single teacher's checkpoint, ``term.<name>.*``
        are the arguments of a term's loss, its ``weight`` and its taps ``student`` and ``teacher``, ``backbone.*``
        those of the student's backbone (``backbone.depths`` where ``arch`` is a mapping). What a recipe does not use
        is missing; what it uses without an argument is not listed as a default.
    """
    facts = dict(batch_size=config.get('auto_scale_lr', {}).get('base_batch_size'))
    for read in (_optimizer, _schedule, _model, _augmentation, _hooks, _distillation):
        facts |= read(config)
    return {name: value for name, value in facts.items() if value is not None}


def _optimizer(config: Config) -> dict[str, Any]:
    wrapper = config.get('optim_wrapper', {})
    optimizer = wrapper.get('optimizer', {})
    clip, paramwise = wrapper.get('clip_grad') or {}, wrapper.get('paramwise_cfg') or {}
    names = ('lr', 'weight_decay', 'betas', 'momentum', 'eps', 'nesterov')
    scales = {f'lr_mult.{key}': value.get('lr_mult') for key, value in (paramwise.get('custom_keys') or {}).items()}
    return dict(optimizer=_name(optimizer), clip_grad=clip.get('max_norm'), layer_decay=paramwise.get('decay_rate'),
                decay_type=paramwise.get('decay_type'), amp=True if 'Amp' in (_name(wrapper) or '') else None,
                norm_decay=paramwise.get('norm_decay_mult'), bias_decay=paramwise.get('bias_decay_mult'),
                **scales, **{name: _plain(optimizer.get(name)) for name in names})


def _schedule(config: Config) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    loop = config.get('train_cfg') or {}
    facts |= dict(epochs=loop.get('max_epochs'), iterations=loop.get('max_iters'))
    schedulers = config.get('param_scheduler') or []
    for scheduler in schedulers if isinstance(schedulers, list | tuple) else [schedulers]:
        kind, unit = _name(scheduler), 'epochs' if scheduler.get('by_epoch', True) else 'iterations'
        if kind == 'LinearLR':
            facts |= {f'warmup_{unit}': scheduler.get('end'), 'warmup_start': scheduler.get('start_factor')}
        else:
            facts |= dict(lr_schedule=kind, lr_decay=scheduler.get('gamma'),
                          milestones=_plain(scheduler.get('milestones')),
                          eta_min=scheduler.get('eta_min'), power=scheduler.get('power'))
    return facts


def _model(config: Config) -> dict[str, Any]:
    model = student_config(config).model
    backbone, head = model.get('backbone', {}), model.get('head', {})
    loss = head.get('loss') or model.get('loss') or {}
    preprocessor = config.get('data_preprocessor') or model.get('data_preprocessor') or {}
    return dict(
        drop_path_rate=backbone.get('drop_path_rate', model.get('drop_path_rate')),
        layer_scale=backbone.get('layer_scale_init_value'), hard_loss=_hard_loss(loss),
        label_smoothing=loss.get('label_smooth_val'), num_classes=preprocessor.get('num_classes'),
        **_backbone(backbone))


def _backbone(backbone: Mapping) -> dict[str, Any]:
    arch = backbone.get('arch')
    arguments = {**backbone, **(arch if isinstance(arch, Mapping) else {})}
    return {f'backbone.{name}': _plain(value) for name, value in arguments.items()
            if name != 'type' and not isinstance(value, Mapping)}


def _hard_loss(loss: Mapping) -> str | None:
    if not loss:
        return None
    sigmoid = loss.get('use_sigmoid') or loss.get('mode') == 'multi_label' or 'BCE' in _name(loss)
    return 'BCE' if sigmoid else 'CE'


def _augmentation(config: Config) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for augment in _batch_augments(config):
        facts[_name(augment).lower()] = augment.get('alpha')
    for step in _steps(_pipeline(config, 'train')):
        kind = _name(step)
        if kind == 'RandAugment':
            facts |= dict(rand_augment=f'rand-m{step.magnitude_level}-n{step.num_policies}-mstd{step.magnitude_std}')
        elif kind == 'RandomErasing':
            facts['random_erasing'] = step.get('erase_prob')
        elif kind in ('RandomResizedCrop', 'ResizeEdge', 'RandomCrop'):
            facts['train_size'] = _plain(step.get('scale', step.get('crop_size')))
            facts['crop'] = kind if 'Crop' in kind else facts.get('crop')
            if kind == 'RandomResizedCrop':
                facts['crop_ratio'] = _plain(step.get('crop_ratio_range', (0.08, 1.0)))
        elif kind == 'Resize':
            facts['train_resize'] = _plain(step.get('scale'))
        elif kind == 'RandomFlip':
            facts |= dict(flip=True, random_flip=step.get('prob'))
        elif kind == 'ColorJitter':
            facts['color_jitter'] = step.get('brightness')
    for step in _steps(_pipeline(config, 'test')):
        if _name(step) == 'CenterCrop':
            facts['test_size'] = step.crop_size
        elif _name(step) == 'ResizeEdge':
            facts['test_resize'] = step.scale
    sampler = config.get('train_dataloader', {}).get('sampler', {})
    facts['repeated_augmentation'] = sampler.get('num_repeats', 3) if _name(sampler) == 'RepeatAugSampler' else None
    return facts


def _batch_augments(config: Config) -> list[Mapping]:
    model = student_config(config).model
    preprocessor = config.get('data_preprocessor') or model.get('data_preprocessor') or {}
    augments = ((preprocessor.get('batch_augments') or {}).get('augments')
                or (model.get('train_cfg') or {}).get('augments'))
    if augments is None:
        return []
    return [augments] if isinstance(augments, Mapping) else list(augments)


def _hooks(config: Config) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for hook in config.get('custom_hooks') or []:
        if _name(hook) == 'EMAHook':
            facts['ema_decay'] = round(1 - hook.get('momentum', 2e-4), 10)
        elif _name(hook) == 'DynamicSparsityHook':
            facts |= dict(sparsity=hook.get('sparsity'), sparsity_init=hook.get('init'),
                          sparsity_interval=hook.get('interval'), prune_rate=hook.get('prune_rate'))
    return facts


def _distillation(config: Config) -> dict[str, Any]:
    model = config.model
    if _name(model) != 'Distiller':
        return {}
    facts = dict(task_weight=model.get('task_weight', 1.0), teacher=model.teacher.get('checkpoint'))
    for name, term in model.terms.items():
        weight = term.get('weight', 1.0)
        facts[f'term.{name}.weight'] = weight.get('value', 1.0) if isinstance(weight, Mapping) else weight
        facts[f'term.{name}.loss'] = _name(term.loss)
        facts |= {f'term.{name}.{role}': _plain(term[role]) for role in ('student', 'teacher')}
        facts |= {f'term.{name}.{key}': _plain(value) for key, value in term.loss.items() if key != 'type'}
    return facts


def _pipeline(config: Config, split: str) -> list[Mapping]:
    dataset = (config.get(f'{split}_dataloader') or {}).get('dataset') or {}
    while 'pipeline' not in dataset and 'dataset' in dataset:
        dataset = dataset['dataset']
    return dataset.get('pipeline') or []


def _steps(pipeline: list[Mapping]) -> Iterator[Mapping]:
    """All transforms, those inside of others included."""
    for step in pipeline:
        yield step
        for inner in step.get('transforms') or []:
            yield from _steps([inner] if isinstance(inner, Mapping) else inner)


def _name(cfg: Mapping) -> str | None:
    kind = cfg.get('type')
    return (kind if isinstance(kind, str) else kind.__name__).rpartition('.')[2] if kind else None


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, list | tuple) else value
