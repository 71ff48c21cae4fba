"""Values in a config that MMEngine, PyTorch and the data sets take as they are, however senseless."""
import math
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from numbers import Real
from pathlib import Path

from mmkd.utils.errors import UserError

MULTIPLIER, SHARE, RATE, COUNT, NUMBER = (0, 1e6), (0, 1), (0, 1e4), (1, 10 ** 9), (0, 10 ** 9)
PARAMWISE = ('lr_mult', 'decay_mult', 'bias_lr_mult', 'bias_decay_mult', 'norm_decay_mult', 'dwconv_decay_mult',
             'flat_decay_mult', 'dcn_offset_lr_mult')
LOADER = dict(batch_size=COUNT, num_workers=(0, 4096), times=COUNT, prefetch_factor=COUNT, crop_size=(0, 1e5))
# Entry of the config to names of numbers anywhere within it, and the least and the most that they may be.
LIMITS: dict[str, dict[str, tuple[float, float]]] = {
    'model': dict(task_weight=MULTIPLIER, loss_weight=MULTIPLIER, drop_path_rate=SHARE, drop_rate=SHARE,
                  label_smooth_val=SHARE),
    'optim_wrapper': dict(lr=RATE, weight_decay=RATE, momentum=SHARE, max_norm=(0, math.inf), accumulative_counts=COUNT,
                          eps=SHARE, betas=SHARE, **dict.fromkeys(PARAMWISE, MULTIPLIER)),
    'param_scheduler': dict(eta_min=RATE, eta_min_ratio=SHARE, start_factor=RATE, end_factor=RATE, factor=RATE,
                            begin=NUMBER, end=NUMBER, T_max=COUNT, milestones=NUMBER, step_size=COUNT),
    'custom_hooks': dict(momentum=SHARE),
    'train_cfg': dict(max_epochs=COUNT, max_iters=COUNT, val_begin=COUNT, val_interval=COUNT),
    'train_dataloader': LOADER, 'val_dataloader': LOADER, 'test_dataloader': LOADER,
    'data_preprocessor': dict(mean=(0, 65535), std=(1e-6, 1e6), num_classes=COUNT, pad_size_divisor=COUNT),
    'auto_scale_lr': dict(base_batch_size=COUNT),
    'randomness': dict(seed=(0, 2 ** 32 - 1)),
    'log_processor': dict(window_size=COUNT),
}
DICT, LIST, TEXT = (dict, ), (list, tuple), (str, )
TYPES: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(('model', 'optim_wrapper', 'default_hooks', 'data_preprocessor', 'env_cfg', 'randomness',
                     'log_processor', 'visualizer', 'train_cfg', 'val_cfg', 'test_cfg', 'train_dataloader',
                     'val_dataloader', 'test_dataloader', 'auto_scale_lr', 'custom_imports', 'model_wrapper_cfg',
                     'tta_model'), DICT),
    **dict.fromkeys(('custom_hooks', 'tta_pipeline'), LIST),
    **dict.fromkeys(('param_scheduler', 'val_evaluator', 'test_evaluator'), DICT + LIST),
    **dict.fromkeys(('work_dir', 'load_from', 'default_scope', 'experiment_name', 'launcher'), TEXT),
    'resume': (bool, )}
NEVER_EMPTY = {'model', 'optim_wrapper', 'train_dataloader', 'val_dataloader', 'test_dataloader'}
NAMES = {str: 'text', bool: 'True or False'}
FLAGS = {'shuffle', 'drop_last', 'pin_memory', 'persistent_workers', 'by_epoch', 'convert_to_iter_based', 'nesterov',
         'update_buffers', 'amsgrad', 'to_rgb', 'loads_rgb', 'cudnn_benchmark', 'deterministic', 'diff_rank_seed',
         'test_mode', 'bypass_duplicate', 'find_unused_parameters', 'with_cp', 'evaluate_on_ema',
         'evaluate_on_origin'}
MOST = 1e18  # beyond any number that a recipe has


def check_values(config: Mapping, source: str) -> None:
    """Looks at every value of a config whose meaning is known.

    Args:
        config: The config.
        source: Its name, for the message.

    Raises:
        UserError: A number is NaN, or out of the limits of its name, or something else stands in its place.
    """
    for top, kinds in TYPES.items():
        value = config.get(top)
        if value is not None and not isinstance(value, kinds):
            names = ' or '.join(dict.fromkeys(NAMES.get(kind, f'a {kind.__name__}') for kind in kinds))
            raise UserError(f'{source} expects {top} to be {names}, got {value!r}. Correct it.')
        if top in NEVER_EMPTY and value == {}:
            raise UserError(f'{source} expects {top} with entries, got an empty dict. Fill it, or write None.')
    for place, value in entries(config, ''):
        if isinstance(value, float) and math.isnan(value):
            raise UserError(f'{source} expects numbers, got NaN for {place}. Write a number.')
        if isinstance(value, int | float) and MOST < abs(value) < math.inf:
            raise UserError(f'{source} expects numbers that mean something, got {value!r} for {place}. Correct it.')
        name = place.rpartition('.')[2]
        if name in FLAGS and value not in (True, False):
            raise UserError(f'{source} expects {place} to be True or False, got {value!r}. Correct it.')
        if name == 'metainfo':
            _check_metainfo(value, place, source)
        if place.endswith('metainfo.classes'):
            _check_classes(value, place, source)
    inner = {'model.data_preprocessor': LIMITS['data_preprocessor']}
    for top, limits in (LIMITS | inner).items():
        entry = (config.get('model') or {}).get('data_preprocessor') if top in inner else config.get(top)
        if top.endswith('data_preprocessor') and isinstance(entry, Mapping) and (
                (entry.get('mean') is None) is not (entry.get('std') is None)):
            raise UserError(f'{source} expects {top} with mean and std or neither: with one, nothing is normalized.')
        for place, value in entries(entry, top):
            name = place.rpartition('.')[2]
            a_list = isinstance(value, list | tuple) and len(value) or value is None
            if name in limits and name in ('mean', 'std') and not a_list:
                raise UserError(f'{source} expects {place} to be a list of one number a channel, got {value!r}.')
            if name in limits:
                _check(value, *limits[name], place, source)


def entries(entry: object, place: str) -> Iterator[tuple[str, object]]:
    """All values within an entry of a config, each with its dotted place."""
    items = entry.items() if isinstance(entry, Mapping) else (
        enumerate(entry) if isinstance(entry, list | tuple) else ())
    for key, value in items:
        inner = f'{place}.{key}' if place else str(key)
        yield inner, value
        yield from entries(value, inner)


def _check_metainfo(value: object, place: str, source: str) -> None:
    if not isinstance(value, Mapping | None):
        raise UserError(f'{source} expects {place} to be a dict, got {value!r}. Write dict(classes=[…]).')
    for key in value or ():
        if key != 'classes' and get_close_matches(str(key), ['classes'], cutoff=0.8):
            raise UserError(f'{source} expects {place} with keys that are read, got {key!r}. Did you mean classes?')


def _check_classes(value: object, place: str, source: str) -> None:
    if isinstance(value, str) and '://' not in value and not Path(value).expanduser().is_file():
        raise UserError(f'{source} expects {place} to be names or the file of a list of them, got {value!r}, which '
                        'does not exist. Write a list of texts.')
    names = value if isinstance(value, list | tuple) else [value]
    if not all(isinstance(name, str) and name for name in names):
        raise UserError(f'{source} expects {place} to be names, got {value!r}. Write a list of texts.')


def _check(value: object, low: float, high: float, place: str, source: str) -> None:
    values = value if isinstance(value, list | tuple) else [value]
    for number in values:
        if number is None:
            continue
        if not isinstance(number, Real) or isinstance(number, bool) or not low <= number <= high:
            limits = f'at least {low:g}' if high >= 10 ** 9 else f'from {low:g} to {high:g}'
            raise UserError(f'{source} expects {place} to be a number {limits}, got {value!r}. Correct it.')
