"""Which keys of a config are read, and by whom: a misspelt one is otherwise dropped without a word."""
import difflib
from collections.abc import Callable, Iterator

from mmengine.config import Config

from mmkd.utils.errors import UserError, nearest

from .values import check_values

LOADER = {'dataset', 'sampler', 'batch_sampler', 'collate_fn', 'batch_size', 'num_workers', 'persistent_workers',
          'pin_memory', 'pin_memory_device', 'drop_last', 'prefetch_factor', 'timeout', 'worker_init_fn', 'shuffle',
          'multiprocessing_context', 'num_batch_per_epoch', 'generator', 'in_order'}
TEST_LOOP = {'fp16'}
HOOKS = {'runtime_info', 'timer', 'sampler_seed', 'logger', 'param_scheduler', 'checkpoint', 'visualization'}
PARAMWISE = {'custom_keys', 'bias_lr_mult', 'bias_decay_mult', 'norm_decay_mult', 'dwconv_decay_mult',
             'flat_decay_mult', 'bypass_duplicate', 'dcn_offset_lr_mult', 'layer_decay_rate', 'decay_rate',
             'decay_type', 'num_layers', 'force_default_settings'}
CHECKPOINT = {'type', 'interval', 'by_epoch', 'save_optimizer', 'save_param_scheduler', 'out_dir', 'max_keep_ckpts',
              'save_last', 'save_best', 'rule', 'greater_keys', 'less_keys', 'file_client_args', 'backend_args',
              'filename_tmpl', 'published_keys', 'save_begin', 'priority'}
# Dicts without a type, that a function of MMEngine reads key by key and that no constructor checks.
SCHEMAS = {
    'train_cfg': {'by_epoch', 'max_epochs', 'max_iters', 'val_begin', 'val_interval', 'dynamic_intervals',
                  'fast_forward_on_resume'},
    'val_cfg': TEST_LOOP, 'test_cfg': TEST_LOOP,
    'train_dataloader': LOADER, 'val_dataloader': LOADER, 'test_dataloader': LOADER,
    'auto_scale_lr': {'enable', 'base_batch_size'},
    'randomness': {'seed', 'diff_rank_seed', 'deterministic'},
    'replay': {'seed', 'epochs'},
    'env_cfg': {'cudnn_benchmark', 'mp_cfg', 'dist_cfg', 'resource_limit'},
    'env_cfg.mp_cfg': {'mp_start_method', 'opencv_num_threads'},
    'optim_wrapper.paramwise_cfg': PARAMWISE,
    'custom_imports': {'imports', 'allow_failed_imports'},
}
CONSTRUCTORS = (None, 'DefaultOptimWrapperConstructor', 'LayerDecayOptimWrapperConstructor',
                'LearningRateDecayOptimWrapperConstructor')
MULTIPLIERS = {'lr_mult', 'decay_mult'}
TOP = {
    'model', 'work_dir', 'optim_wrapper', 'param_scheduler', 'val_evaluator', 'test_evaluator', 'default_hooks',
    'custom_hooks', 'data_preprocessor', 'load_from', 'resume', 'launcher', 'log_processor', 'log_level', 'visualizer',
    'default_scope', 'experiment_name', 'cfg', 'runner_type', 'strategy', 'model_wrapper_cfg', 'sync_bn',
    'find_unused_parameters', 'activation_checkpointing', 'efficient_conv_bn_eval', 'compile', 'tta_model',
    'tta_pipeline', 'init_weights_for_test_or_val', *(key for key in SCHEMAS if '.' not in key)}


def is_read(name: str) -> bool:
    """Whether a tool or MMEngine's Runner reads this entry of a config."""
    return name in TOP


def may_be_read(config: Config, name: str) -> bool:
    """Whether a hook of the user's may read this entry: a dict or list that is no variable of the config file."""
    return isinstance(config.get(name), dict | list) and not _is_variable(config, name)


def _is_variable(config: Config, name: str) -> bool:
    if config[name] is None or isinstance(config[name], bool):  # equal to many
        return False
    others = (value for key, value in config.items() if key != name)
    return any(config[name] is item or config[name] == item for value in others for item in _within(value))


def check_config(config: Config, source: str) -> None:
    """Looks at a whole config for what would be dropped, or trained on, without a word.

    Args:
        config: The config.
        source: Its name, for the message.

    Raises:
        UserError: An entry is almost one that is read, a key is misspelt where nobody would notice, or a number is NaN.
    """
    for name in config:
        if name in TOP or name.startswith('_'):
            continue
        close = difflib.get_close_matches(name, TOP - {'tta_pipeline'}, n=1, cutoff=0.85)  # test_pipeline is a variable
        if close and not _is_variable(config, name):
            raise UserError(f'{source} expects entries that are read, got {name}. Did you mean {close[0]}?')
    for place, known in SCHEMAS.items():
        entry = _at(config, place)
        if isinstance(entry, dict) and 'type' not in entry and _is_checked(config, place):
            for key in entry:
                if key not in known and not str(key).startswith('_'):
                    raise UserError(f'{source} expects {place} with keys that are read, got {key!r}. '
                                    f'{nearest(str(key), known)}')
    _check_hook_names(config.get('default_hooks') or {}, source)
    hook = _at(config, 'default_hooks.checkpoint') or {}
    for key in hook.keys() - CHECKPOINT if isinstance(hook, dict) else ():  # it hands others on, to be dropped
        if close := difflib.get_close_matches(key, CHECKPOINT, n=1, cutoff=0.75):
            raise UserError(f'{source} expects default_hooks.checkpoint with keys that are read, got {key!r}. '
                            f'Did you mean {close[0]}?')
    for key, entry in _custom_keys(config):
        if not isinstance(entry, dict):
            raise UserError(f"{source} expects optim_wrapper.paramwise_cfg.custom_keys[{key!r}] to be a dict such as "
                            f'dict(decay_mult=0.), got {entry!r}.')
        for name in entry.keys() - MULTIPLIERS:  # others go into the optimizer's group, as LARS wants
            if close := difflib.get_close_matches(name, MULTIPLIERS, n=1, cutoff=0.8):
                raise UserError(f'{source} expects custom_keys[{key!r}] with keys that are read, got {name!r}. '
                                f'Did you mean {close[0]}?')
    check_values(config._cfg_dict, source)


def _check_hook_names(hooks: object, source: str) -> None:
    """A hook under a misspelt name would come on top of MMEngine's own with its defaults, not in its place."""
    for name in hooks if isinstance(hooks, dict) else ():
        close = difflib.get_close_matches(str(name), HOOKS, n=1, cutoff=0.75)
        one_more = close and close[0] in hooks and str(name).startswith(close[0])  # such as checkpoint_best
        if name not in HOOKS and close and not one_more:
            raise UserError(f'{source} expects default_hooks that replace those of MMEngine, got {name!r}. '
                            f'Did you mean {close[0]}?')


def check_entry(config: Config, key: str, options: dict, close: Callable[[Config, str], str]) -> None:
    """Checks one dotted key of the command line below the top of a config.

    Args:
        config: The config before it is overridden.
        key: The key.
        options: All keys of the command line.
        close: Names the nearest keys.

    Raises:
        UserError: Nothing would read it.
    """
    parts = key.split('.')
    for depth in range(1, len(parts)):
        place, name = '.'.join(parts[:depth]), parts[depth]
        entry = _at(config, place) or {}
        typed = (isinstance(entry, dict) and 'type' in entry) or f'{place}.type' in options
        if place in SCHEMAS and not typed and name not in SCHEMAS[place] and _is_checked(config, place):
            raise UserError(f'option {key} expects a key that is read, but nothing reads {place}.{name}. '
                            f'{nearest(name, SCHEMAS[place])}')
    new_hook = parts[0] == 'default_hooks' and len(parts) > 2 and f'default_hooks.{parts[1]}.type' not in options
    if new_hook and parts[1] not in {*HOOKS, *(config.get('default_hooks') or {})}:
        raise UserError(f'option {key} expects a hook that is there, got {parts[1]!r}. {close(config, key)}')


def _is_checked(config: Config, place: str) -> bool:
    constructor = (config.get('optim_wrapper') or {}).get('constructor') if 'paramwise' in place else None
    return constructor is None or str(constructor).rpartition('.')[2] in CONSTRUCTORS


def _custom_keys(config: Config) -> Iterator[tuple[str, object]]:
    keys = _at(config, 'optim_wrapper.paramwise_cfg.custom_keys')
    if isinstance(keys, dict) and _is_checked(config, 'paramwise'):
        yield from keys.items()


def _at(config: Config, place: str) -> object:
    entry: object = config
    for part in place.split('.'):
        entry = entry.get(part) if isinstance(entry, dict | Config) else None
    return entry


def _within(value: object) -> Iterator[object]:
    yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ():
        yield from _within(item)
