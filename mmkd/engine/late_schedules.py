"""Learning-rate schedules that would begin when training has ended."""
from collections.abc import Mapping

from mmengine.config import Config
from mmengine.logging import print_log

from mmkd.utils.building.build import type_name


def leave_out_late_schedules(config: Config) -> None:
    """Takes schedules out of a config that begin at the end of training or later, as after a warm-up of 20 epochs of 1.

    They would never move anything, but MMEngine gives them the end of training as theirs, and refuses an end that does
    not come after the beginning. Those with an ``end`` of their own stay, so that a longer run can go on from this one.

    Args:
        config: A training config; its ``param_scheduler`` is replaced.
    """
    schedules = config.get('param_scheduler')
    if isinstance(schedules, Mapping) and 'type' not in schedules:  # one entry for each of several optimizers
        config.param_scheduler = {name: _in_time(group, config) for name, group in schedules.items()}
    elif schedules:
        config.param_scheduler = _in_time(schedules, config)


def _in_time(schedules: Mapping | list, config: Config) -> list:
    kept, loop = [], config.get('train_cfg') or {}
    for schedule in [schedules] if isinstance(schedules, Mapping) else schedules:
        if _is_late(schedule, loop):
            unit = _unit(schedule)
            print_log(f'{type_name(schedule)} is left out: it begins after {schedule["begin"]} {unit}, and training '
                      f'ends after {loop[f"max_{unit}"]} (train_cfg.max_{unit}). To reach it, train longer or give it '
                      'an earlier begin.', 'current', 30)
        else:
            kept.append(schedule)
    return kept


def _unit(schedule: Mapping) -> str:
    return 'epochs' if schedule.get('by_epoch', True) else 'iters'


def _is_late(schedule: object, loop: Mapping) -> bool:
    """Whether a schedule begins when training has ended; what is no schedule is left for MMEngine to refuse."""
    if not isinstance(schedule, Mapping) or 'end' in schedule:
        return False
    begin, length = schedule.get('begin', 0), loop.get(f'max_{_unit(schedule)}')
    return isinstance(begin, int) and isinstance(length, int) and begin >= max(length, 1)
