"""What decides the lengths of a run: written into its checkpoints, and compared when it is resumed."""
from collections.abc import Iterator, Mapping, Sequence

from mmengine.dist import get_world_size
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.optim.scheduler.param_scheduler import _ParamScheduler
from mmengine.runner import Runner
from torch.optim import Optimizer

from mmkd.datasets.replay import ReplayedDataset

from .position import by_epoch, end_of

KEY = 'run'  # of the checkpoint's meta
# PyTorch's choice of code, and what an optimizer constructor notes: nothing that decides a result.
TECHNICAL = {'params', 'foreach', 'fused', 'capturable', 'differentiable', 'decoupled_weight_decay'}
MOVING = {'last_step', 'verbose', 'best', 'num_bad_epochs', 'cooldown_counter', 'base_values'}
WORDS = {'unit', 'optimizer', 'draws', 'view_seed', 'view_epochs'}  # the facts that are no numbers, or not always
NAMES = dict(end='{unit}s', epoch_length='iterations an epoch', images='images an update', optimizer='optimizer',
             unit='loop', view_seed='seed of the views', view_epochs='epochs of views')


def wrappers_of(runner: Runner) -> list[OptimWrapper]:
    """The optimizer wrappers of a run."""
    wrapper = runner.optim_wrapper
    return list(wrapper.values()) if isinstance(wrapper, OptimWrapperDict) else [wrapper]


def schedulers_of(runner: Runner) -> list[_ParamScheduler]:
    """The parameter schedulers of a run."""
    return list(flat(runner.param_schedulers or []))


def flat(groups: Mapping | Sequence) -> Iterator:
    """The entries of a list, or of the lists of a dict."""
    if isinstance(groups, Mapping):
        for group in groups.values():
            yield from group
    else:
        yield from groups


def run_facts(runner: Runner, draws: str) -> dict[str, int | str]:
    """What a checkpoint keeps of its run, as numbers and text.

    Args:
        runner: The runner, with its training loop.
        draws: What random draws follow from: ``step`` or ``epoch``.
    """
    loader, loop = runner.train_dataloader, runner.train_loop
    size = loader.batch_size or getattr(loader.batch_sampler, 'batch_size', None) or 1
    wrappers = wrappers_of(runner)
    processes, accumulation = get_world_size(), max(wrapper._accumulative_counts for wrapper in wrappers)
    return dict(
        unit='epoch' if by_epoch(loop) else 'iteration', end=end_of(loop), epoch_length=len(loader), batch_size=size,
        processes=processes, accumulation=accumulation, images=size * processes * accumulation, draws=draws,
        **_view_facts(loader.dataset), optimizer=', '.join(type(wrapper.optimizer).__name__ for wrapper in wrappers))


def _view_facts(dataset: object) -> dict[str, str]:
    """By what seed the views of an epoch are drawn, and how many epochs of them there are."""
    if not isinstance(dataset, ReplayedDataset):
        return dict(view_seed='none', view_epochs='none')
    return dict(view_seed=str(dataset.seed), view_epochs='endless' if dataset.epochs is None else str(dataset.epochs))


def view_epochs_in(checkpoint: Mapping) -> int | None:
    """After how many epochs the views of a checkpoint's run repeat, if they do and it is recorded."""
    text = facts_in(checkpoint).get('view_epochs', '')
    return int(text) if text.isdecimal() and int(text) else None


def facts_in(checkpoint: Mapping) -> dict[str, int | str]:
    """What a checkpoint tells of its run; of one without a record, what follows from its position."""
    meta = checkpoint['meta']
    facts = meta.get(KEY)
    if isinstance(facts, Mapping):
        return {name: value for name, value in facts.items()
                if (isinstance(value, str) if name in WORDS else type(value) is int and value > 0)}
    epoch, iteration = meta['epoch'], meta['iter']
    return dict(epoch_length=iteration // epoch) if epoch and iteration % epoch == 0 else {}


def differing_facts(before: Mapping, now: Mapping) -> list[str]:
    """The facts that decide a run's lengths and differ, in words."""
    names = ['unit', 'optimizer', 'end', 'epoch_length', 'images', 'view_seed', 'view_epochs']
    if now['unit'] == 'iteration':
        names.remove('epoch_length')
    return [f'{NAMES[name].format(unit=now["unit"])} {now[name]} instead of {before[name]}' for name in names
            if name in before and before[name] != now[name]]


def differing_groups(optimizer: Optimizer, state: Mapping) -> list[str]:
    """Numbers of the optimizer that are not those of a checkpoint, in words; of a scheduled one, its first value."""
    differing: dict[str, str] = {}
    for now, before in zip(optimizer.param_groups, state['param_groups'], strict=True):
        for name in now.keys() - TECHNICAL:
            initial = f'initial_{name}'
            key = initial if initial in now and initial in before else name
            if name.startswith('initial_') or key not in before or not _is_plain(now[key]):
                continue
            if _plain(now[key]) != _plain(before[key]):
                differing.setdefault(name, f'{name} {_plain(now[key])} instead of {_plain(before[key])}')
    return [differing[name] for name in sorted(differing)]


def differing_schedule(scheduler: _ParamScheduler, state: Mapping) -> list[str]:
    """Constants of a scheduler that are not those of a checkpoint, in words."""
    return [f'{type(scheduler).__name__} {name} {_plain(now)} instead of {_plain(state[name])}'
            for name, now in sorted(scheduler.state_dict().items())
            if name not in MOVING and not name.startswith('_') and name in state and _is_plain(now)
            and _plain(now) != _plain(state[name])]


def _is_plain(value: object) -> bool:
    return isinstance(value, (int, float, str, Mapping)) or (
        isinstance(value, Sequence) and all(isinstance(item, (int, float)) for item in value))


def _plain(value: object) -> object:
    if isinstance(value, Mapping):  # milestones
        return sorted(value)
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
