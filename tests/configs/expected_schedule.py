"""The learning rates of a training's first two iterations, worked out from its config apart from MMEngine."""
import math

from mmengine.config import Config


def expected_lr(config: Config, initial: float, iteration: int, epoch_length: int) -> float:
    """The learning rate in iteration 0 or 1 of a group of parameters.

    Args:
        config: The training.
        initial: The rate that the group would have without a schedule.
        iteration: 0 or 1, both of the first epoch.
        epoch_length: Iterations in an epoch.
    """
    schedulers = config.get('param_scheduler') or []
    rate = initial
    for scheduler in schedulers if isinstance(schedulers, list | tuple) else [schedulers]:
        by_epoch, converted = scheduler.get('by_epoch', True), scheduler.get('convert_to_iter_based', False)
        unit = epoch_length if by_epoch and converted else 1
        step = 0 if by_epoch and not converted else iteration
        total = config.train_cfg.get('max_epochs') if by_epoch else config.train_cfg.get('max_iters')
        begin, end = scheduler.get('begin', 0) * unit, scheduler.get('end', total) * unit
        if step >= begin:
            length = scheduler.get('T_max', (end - begin) // unit) * unit
            rate = _scheduled(scheduler, rate, step - begin, end - begin - 1, length)
    return rate


def _scheduled(scheduler: dict, rate: float, step: int, last: int, length: int) -> float:
    low, kind = scheduler.get('eta_min', 0), scheduler['type'].rpartition('.')[2]
    if kind == 'LinearLR':
        start = scheduler['start_factor']
        return rate * (start + (1 - start) * min(step / last, 1))
    if kind == 'ConstantLR':
        return rate * scheduler['factor']
    if kind == 'CosineAnnealingLR':
        return low + (rate - low) * (1 + math.cos(math.pi * step / length)) / 2
    if kind == 'PolyLR':
        return low + (rate - low) * (1 - step / last) ** scheduler.get('power', 1)
    if kind == 'MultiStepLR' and step < min(scheduler['milestones']):
        return rate
    raise ValueError(f'what is the rate of {scheduler} in step {step}?')
