"""A validation that is no metric of predictions: what such loops have in common."""
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from mmengine.runner import Runner
from mmengine.runner.amp import autocast
from mmengine.runner.base_loop import BaseLoop
from torch import Tensor, nn
from torch.utils.data import DataLoader

from mmkd.utils import UserError
from mmkd.utils.randomness import unchanged_generators

from .models import model_of
from .shared_batches import SharedBatches, shared_loader


class FigureLoop(BaseLoop):
    """Runs over a set of images as MMEngine's loops do, calls the same hooks, and leaves the training as it was.

    Whole batches are shared out to the processes, each image counts once, and random draws are the same each time; the
    random states, the modes of all modules and the statistics of norms are afterwards what they were.

    Args:
        runner: The runner.
        dataloader: The images; its sampler does not count.
        evaluator: ``[]``, since no metric sees predictions.
        fp16: Whether to run the model in mixed precision.

    Raises:
        UserError: There is an evaluator.
    """

    stage = 'val'

    def __init__(self, runner: Runner, dataloader: DataLoader | dict, evaluator: object = None,
                 fp16: bool = False) -> None:
        if getattr(evaluator, 'metrics', evaluator):
            raise UserError(f'{type(self).__name__} expects {self.stage}_evaluator=[], since it computes its figures '
                            'itself, got one with metrics. Write [], or take the usual loop.')
        super().__init__(runner, dataloader)
        self.dataloader = shared_loader(self.dataloader, f'{self.stage}_dataloader')
        self.evaluator = _OwnFigures(self)
        self.fp16 = fp16
        runner.visualizer.dataset_meta = getattr(self.dataloader.dataset, 'metainfo', None)

    @property
    def batches(self) -> SharedBatches:
        """This process's batches."""
        return self.dataloader.batch_sampler

    def run(self) -> dict[str, float]:
        """Runs the loop and its hooks.

        Returns:
            The figures by name.
        """
        self.runner.call_hook(f'before_{self.stage}')
        self.runner.call_hook(f'before_{self.stage}_epoch')
        with unchanged_generators(), eval_mode(self.runner.model):
            for index, batch in enumerate(self.dataloader):
                self.run_iter(index, batch)
            metrics = self.evaluator.evaluate(len(self.dataloader.dataset))
            self.runner.call_hook(f'after_{self.stage}_epoch', metrics=metrics)
        self.runner.call_hook(f'after_{self.stage}')
        return metrics

    @torch.no_grad()
    def run_iter(self, idx: int, data_batch: dict | Sequence) -> None:
        """Runs one batch."""
        self.runner.call_hook(f'before_{self.stage}_iter', batch_idx=idx, data_batch=data_batch)
        with autocast(enabled=self.fp16):
            self.add(idx, *self.preprocessed(data_batch))
        self.runner.call_hook(f'after_{self.stage}_iter', batch_idx=idx, data_batch=data_batch, outputs=[])

    def preprocessed(self, batch: dict | Sequence) -> tuple[Tensor, object]:
        """Images and annotations, as the model takes them."""
        data = model_of(self.runner).data_preprocessor(batch, False)
        if isinstance(data, dict):
            return data['inputs'], data.get('data_samples')
        return (data[0], data[1] if len(data) > 1 else None) if isinstance(data, list | tuple) else (data, None)

    def add(self, index: int, inputs: Tensor, samples: object) -> None:
        """Takes one batch in."""
        raise NotImplementedError(f'{type(self).__name__} has to take batches in')

    def figures(self) -> dict[str, float]:
        """What the batches since the last call have shown, in all processes together."""
        raise NotImplementedError(f'{type(self).__name__} has to have figures')


class _OwnFigures:
    """Stands where others keep their evaluator: hooks that run a loop's batches once more ask it."""

    metrics = ()

    def __init__(self, loop: FigureLoop) -> None:
        self.loop = loop

    def evaluate(self, size: int) -> dict[str, float]:
        """The loop's figures."""
        with torch.no_grad():
            return self.loop.figures()


@contextmanager
def eval_mode(model: nn.Module) -> Iterator[None]:
    """Puts a model into eval mode, and afterwards each module into the mode it had."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
