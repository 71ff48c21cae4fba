"""How many images an optimizer step sees."""
from collections.abc import Iterator, Mapping

from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import Runner

from .errors import UserError


def count_accumulation(runner: Runner) -> None:
    """Makes MMEngine's scaling of the learning rate heed gradient accumulation, which it leaves out.

    Call it before ``runner.train()``. The config that the runner has written down stays as it is.

    Args:
        runner: The runner; its ``auto_scale_lr`` changes, if that is enabled.

    Raises:
        UserError: Several optimizers accumulate differently.
    """
    scaling = getattr(runner, 'auto_scale_lr', None)
    if not scaling or not scaling.get('enable') or not scaling.get('base_batch_size'):
        return
    counts = set(_accumulations(runner.optim_wrapper))
    if len(counts) > 1:
        raise UserError('auto_scale_lr expects one accumulative_counts for all optimizers, got '
                        f'{", ".join(map(str, sorted(counts)))}. Scale the learning rates by hand.')
    count, base = counts.pop(), scaling['base_batch_size']
    if count > 1:
        runner.logger.info(f'{count} batches are accumulated: for the learning rate, a batch size of {base} an '
                           f'optimizer step is one of {base / count:g} a batch.')
        runner.auto_scale_lr = {**scaling, 'base_batch_size': base / count}


def _accumulations(wrapper: object) -> Iterator[int]:
    """The ``accumulative_counts`` of an optimizer wrapper, or of each of several, built or not."""
    if isinstance(wrapper, OptimWrapperDict):
        parts = list(wrapper.optim_wrappers.values())
    elif isinstance(wrapper, OptimWrapper):
        return iter([wrapper._accumulative_counts])
    else:
        parts = [] if 'optimizer' in wrapper else [part for part in wrapper.values() if isinstance(part, Mapping)]
    if not parts:
        return iter([wrapper.get('accumulative_counts', 1)])
    return (count for part in parts for count in _accumulations(part))
