"""Learning-rate schedules that would begin when training has ended."""
from collections.abc import Mapping

from mmengine.config import Config
from mmengine.logging import print_log

from mmkd.utils.build import type_name


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
    kept = []
    for schedule in [schedules] if isinstance(schedules, Mapping) else schedules:
        unit = 'epochs' if schedule.get('by_epoch', True) else 'iters'
        length, begin = config.train_cfg.get(f'max_{unit}'), schedule.get('begin', 0)
        if length is None or begin < max(length, 1) or 'end' in schedule:
            kept.append(schedule)
        else:
            print_log(f'{type_name(schedule)} is left out: it begins after {begin} {unit}, and training ends after '
                      f'{length} (train_cfg.max_{unit}). To reach it, train longer or give it an earlier begin.',
                      'current', 30)
    return kept
