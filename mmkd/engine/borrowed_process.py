"""Training inside a process that is not the run's own, such as a notebook's, and leaving it as it was."""
import gc
import logging
import multiprocessing
import warnings
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from mmengine.fileio.backends import LocalBackend
from mmengine.hooks import CheckpointHook
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import WEIGHT_INITIALIZERS, DefaultScope
from mmengine.runner import CheckpointLoader
from mmengine.utils import ManagerMixin
from mmengine.visualization import Visualizer

from mmkd.utils.files.logs import stop_at_full_logs
from mmkd.utils.randomness import unchanged_generators
from mmkd.utils.trust import is_trusted, set_trust
from mmkd.zoo import load_safely_everywhere

from .checkpoints.whole import keep_checkpoints_whole

HOOK_METHODS = ('before_train', '_save_checkpoint_with_step', '_save_best_checkpoint', '_publish_model')


@contextmanager
def borrowed_process(trust: bool = False) -> Iterator[None]:
    """Reads files safely, writes checkpoints whole and has MMEngine's global objects anew, as long as the block lasts.

    MMEngine finds loggers, message hubs, visualizers and the default scope by name in dicts of their classes: two runs
    of a process that start in one second would share them. Random generators are left as they were, and so are
    ``torch.load``, MMEngine's loaders and hooks, warnings, and the way in which processes are started.

    Args:
        trust: Whether files may run code; see :func:`~mmkd.zoo.load_safely_everywhere`.
    """
    with ExitStack() as stack:
        stack.enter_context(unchanged_generators())
        stack.enter_context(warnings.catch_warnings())
        stack.enter_context(_own_managers())
        stack.enter_context(_restored())
        load_safely_everywhere(trust)
        keep_checkpoints_whole()
        stop_at_full_logs()
        yield


@contextmanager
def _own_managers() -> Iterator[None]:
    """Empty dicts of named objects; at the end the old ones, with the files of the new ones' logs closed."""
    before = {kind: kind._instance_dict for kind in _managers()}
    for kind in before:
        kind._instance_dict = OrderedDict()
    try:
        yield
    finally:
        for logger in MMLogger._instance_dict.values():
            for handler in logger.handlers[:]:
                if isinstance(handler, logging.FileHandler):
                    handler.close()
                    logger.removeHandler(handler)
        for kind in _managers():
            for instance in kind._instance_dict.values():
                if isinstance(instance, Visualizer):
                    instance.close()
            kind._instance_dict = before.get(kind, OrderedDict())  # a class that was imported meanwhile had none
        if torch.cuda.is_available():
            gc.collect()  # runner, hooks and loaders refer to each other, and would keep the GPU's memory


def _managers(kind: type | None = None) -> list[Any]:
    kinds = (DefaultScope, MessageHub, MMLogger, Visualizer) if kind is None else tuple(kind.__subclasses__())
    return [each for own in kinds if issubclass(own, ManagerMixin) for each in (own, *_managers(own))]


@contextmanager
def _restored() -> Iterator[None]:
    """Puts back what a run changes for its whole process."""
    methods = {name: getattr(CheckpointHook, name) for name in HOOK_METHODS}
    schemes, load, put, emit = CheckpointLoader._schemes, torch.load, LocalBackend.put, logging.FileHandler.handleError
    init, trusted = WEIGHT_INITIALIZERS.get('Pretrained'), is_trusted()
    start, benchmark = multiprocessing.get_start_method(allow_none=True), torch.backends.cudnn.benchmark
    CheckpointLoader._schemes = dict(schemes)
    try:
        yield
    finally:
        for name, method in methods.items():
            setattr(CheckpointHook, name, method)
        CheckpointLoader._schemes, torch.load, LocalBackend.put = schemes, load, put
        logging.FileHandler.handleError = emit
        WEIGHT_INITIALIZERS.register_module(name='Pretrained', module=init, force=True)
        set_trust(trusted)
        multiprocessing.set_start_method(start, force=True)
        torch.backends.cudnn.benchmark = benchmark
