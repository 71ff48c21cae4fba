"""Whether a checkpoint holds the run that is resumed, and putting another schedule into it."""
import warnings
from collections.abc import Mapping, Sequence

import torch
from mmengine.optim import OptimWrapperDict
from mmengine.runner import Runner
from torch import Tensor
from torch.optim import Optimizer

from mmkd.utils import UserError

from .position import OTHER_START, by_epoch, position_of
from .run_facts import (
    differing_facts,
    differing_groups,
    differing_schedule,
    facts_in,
    flat,
    run_facts,
    schedulers_of,
    wrappers_of,
)

KINDS = ('betas', 'momentum', 'alpha', 'rho', 'lr_decay', 'etas')  # by which optimizers differ
LIKE_WEIGHTS = ('exp_avg', 'exp_avg_sq', 'momentum_buffer')  # an optimizer's tensors that are as large as the weight


def check_complete(runner: Runner, checkpoint: Mapping, restart: bool) -> None:
    """Checks that the optimizer and the schedulers can be restored.

    Args:
        runner: The runner, with its optimizer and schedulers as the config has them.
        checkpoint: What was read from the file.
        restart: Whether the schedulers are not restored.

    Raises:
        UserError: Something is missing, damaged or of another optimizer.
    """
    position_of(checkpoint)
    for optimizer, state in _optimizer_states(runner, checkpoint):
        _check_optimizer(optimizer, state)
    schedulers = schedulers_of(runner)
    if schedulers and not restart:
        _entry(checkpoint, 'param_schedulers', (Mapping, Sequence))
    states = _scheduler_states(checkpoint)
    if not restart and len(states) != len(schedulers):
        raise UserError(f'--resume expects the state of {len(schedulers)} parameter schedulers in the checkpoint, got '
                        f'{len(states)}. Resume with the param_scheduler of the interrupted run, or add '
                        '--restart-schedule to go on with those of this config at the place where the run stands.')


def _scheduler_states(checkpoint: Mapping) -> list[Mapping]:
    states = checkpoint.get('param_schedulers') or []
    found = list(flat(states)) if isinstance(states, (Mapping, Sequence)) else [None]
    if not all(isinstance(state, Mapping) for state in found):
        raise UserError('--resume expects the states of schedulers in the checkpoint, got something else. '
                        f'{OTHER_START}')
    return found


def _entry(checkpoint: Mapping, name: str, kinds: type | tuple) -> object:
    if not isinstance(checkpoint.get(name), kinds) or isinstance(checkpoint[name], str):
        raise UserError(f'--resume expects a training checkpoint, got one without {name}, as best_*.pth and published '
                        f'ones are. {OTHER_START}')
    return checkpoint[name]


def _optimizer_states(runner: Runner, checkpoint: Mapping) -> list[tuple[Optimizer, Mapping]]:
    state = _entry(checkpoint, 'optimizer', Mapping)
    if not isinstance(runner.optim_wrapper, OptimWrapperDict):
        return [(runner.optim_wrapper.optimizer, state)]
    return [(wrapper.optimizer, _entry(state, name, Mapping)) for name, wrapper in runner.optim_wrapper.items()]


def _check_optimizer(optimizer: Optimizer, state: Mapping) -> None:
    kind, groups = type(optimizer).__name__, state.get('param_groups')
    sizes = [len(group['params']) for group in optimizer.param_groups]
    if not isinstance(groups, list) or [_size(group) for group in groups] != sizes:
        raise UserError(f'--resume expects the {kind} state of {len(sizes)} parameter groups with {sum(sizes)} '
                        'tensors, got another. Resume with the optimizer and the paramwise_cfg of the interrupted run. '
                        f'{OTHER_START}')
    found = [{key for key in KINDS if key in group} for group in (optimizer.param_groups[0], groups[0])]
    parameters = [parameter for group in optimizer.param_groups for parameter in group['params']]
    tensors = state.get('state')
    stateless = kind == 'SGD' and not any(group.get('momentum') for group in optimizer.param_groups)
    if found[0] != found[1] or not isinstance(tensors, Mapping) or not (tensors or stateless):
        raise UserError(f'--resume expects the state of {kind}, got '
                        f'{"that of another optimizer" if found[0] != found[1] else "none"}. {OTHER_START}')
    for index, entry in tensors.items():
        if type(index) is not int or index >= len(parameters) or not isinstance(entry, Mapping) or any(
                isinstance(entry.get(name), Tensor) and entry[name].shape != parameters[index].shape
                for name in LIKE_WEIGHTS):
            raise UserError(f'--resume expects the {kind} state of this model, got another for parameter {index!r}. '
                            f'Check the config and the file. {OTHER_START}')


def _size(group: object) -> int:
    return len(group['params']) if isinstance(group, Mapping) and isinstance(group.get('params'), list) else -1


def differences(runner: Runner, checkpoint: Mapping, draws: str) -> list[str]:
    """What of the present run is not as the checkpoint's had it, as far as it decides how the run goes on.

    Args:
        runner: The runner, with its loop, optimizer and schedulers as the config has them.
        checkpoint: A complete checkpoint.
        draws: As :func:`run_facts` takes it.

    Raises:
        UserError: It is a run of another kind, which no schedule can continue.
    """
    now, before, (epoch, iteration) = run_facts(runner, draws), facts_in(checkpoint), position_of(checkpoint)
    unit = before.get('unit', now['unit'] if by_epoch(runner.train_loop) or not epoch else 'epoch')
    optimizer = before.get('optimizer', now['optimizer'])
    for name, value in (('unit', unit), ('optimizer', optimizer)):
        if value != now[name]:
            raise UserError(f'--resume expects the {"loop" if name == "unit" else name} of the interrupted run, got '
                            f'{now[name]} instead of {value}. {OTHER_START}')
    found = differing_facts(before, now)
    length = before.get('epoch_length', now['epoch_length'])
    if now['unit'] == 'epoch' and not 0 <= iteration - epoch * length <= length:
        found.append(f'{length} iterations an epoch, which do not fit {iteration} iterations in {epoch} epochs')
    for optimizer, state in _optimizer_states(runner, checkpoint):
        found += differing_groups(optimizer, state)
    schedulers, states = schedulers_of(runner), _scheduler_states(checkpoint)
    if len(schedulers) != len(states):
        found.append(f'{len(schedulers)} parameter schedulers instead of {len(states)}')
    for scheduler, state in zip(schedulers, states, strict=False):
        found += differing_schedule(scheduler, state)
    return found


def check_ahead(runner: Runner, checkpoint: Mapping) -> None:
    """Checks that the run does not end before the checkpoint.

    Raises:
        UserError: It does.
    """
    epoch, iteration = position_of(checkpoint)
    loop = runner.train_loop
    unit, done, end = (('epochs', epoch, loop.max_epochs) if by_epoch(loop) else
                       ('iterations', iteration, loop.max_iters))
    if done > end:
        raise UserError(f'--resume expects a checkpoint of at most {end} {unit}, which is where this config ends, got '
                        f'one of {done}. Train to {done} or more.')


def restart_schedule(runner: Runner, checkpoint: dict) -> None:
    """Puts the config's optimizer settings, and its schedules at the place where the run stands, into a checkpoint.

    Args:
        runner: The runner, whose optimizer and schedulers are as built.
        checkpoint: A complete checkpoint; changed in place.
    """
    meta, length = checkpoint['meta'], len(runner.train_dataloader)
    if by_epoch(runner.train_loop):
        old = facts_in(checkpoint).get('epoch_length', length)
        done = meta['iter'] - meta['epoch'] * old
        meta['iter'] = meta['epoch'] * length + (done * length // old if 0 <= done <= old else 0)
    schedulers = schedulers_of(runner)
    steps_by_epoch = meta['epoch'] if by_epoch(runner.train_loop) else 0
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # no step of the optimizer lies between these
        for step in range(1, meta['iter'] + 1):
            _step(schedulers, False)
            if step % length == 0 and step // length <= steps_by_epoch:
                _step(schedulers, True)
    for (optimizer, state), wrapper in zip(_optimizer_states(runner, checkpoint), wrappers_of(runner), strict=True):
        state['param_groups'] = optimizer.state_dict()['param_groups']
        if wrapper.base_param_settings is not None:
            state['base_param_settings'] = wrapper.state_dict()['base_param_settings']
    checkpoint['param_schedulers'] = (
        {name: [each.state_dict() for each in group] for name, group in runner.param_schedulers.items()}
        if isinstance(runner.param_schedulers, dict) else [each.state_dict() for each in schedulers])


def _step(schedulers: list, epochs: bool) -> None:
    for scheduler in schedulers:
        if scheduler.by_epoch is epochs and not getattr(scheduler, 'need_val_args', False):
            scheduler.step()


def rates(optimizer_groups: Sequence[Mapping]) -> float:
    """The largest learning rate of some parameter groups."""
    return max(float(torch.as_tensor(group['lr'])) for group in optimizer_groups)
