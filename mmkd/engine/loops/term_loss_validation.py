"""Validating by the terms' losses, which need no labels.

The figures have no "loss" in their names: of those MMEngine's log shows the mean over its last validations.
"""
import re

import torch
from mmengine.dist import all_reduce
from mmengine.runner import Runner
from torch import Tensor
from torch.utils.data import DataLoader

from mmkd.distillers.inputs import Labels
from mmkd.distillers.teacher import without_model
from mmkd.engine.figure_loop import FigureLoop
from mmkd.engine.models import distiller_of
from mmkd.engine.resume.replay import MODEL, seed_all
from mmkd.engine.shared_batches import SEED
from mmkd.registry import LOOPS
from mmkd.utils import UserError
from mmkd.utils.kept_state import unchanged_state

TOTAL = 'total'


@LOOPS.register_module()
class TermLossValLoop(FigureLoop):
    """The mean of the terms' losses over images of any kind, with labels or without.

    Its figures are ``terms/<term>`` for each term, with the weights that they have in training at that time,
    ``terms/task`` if there is a ``task_weight``, and their sum ``terms/total``, for
    ``save_best='terms/total', rule='less'``. While a term's ``teacher_norm`` estimates, the sum is infinite. Each batch
    counts by its images. Student and teachers run once a batch, in eval mode and without gradients; a loss that draws
    random numbers draws the same in each validation. With a weight that changes, the losses of two epochs are not those
    of the same sum.

    Args:
        runner: The runner; its model is a distiller.
        dataloader: The images; its sampler does not count.
        evaluator: ``[]``.
        fp16: Whether to run the models in mixed precision.

    Raises:
        UserError: The model is no distiller, a term keeps something of each training image or is called ``total``, or
            a teacher has a cache alone.
    """

    def __init__(self, runner: Runner, dataloader: DataLoader | dict, evaluator: object = None,
                 fp16: bool = False) -> None:
        super().__init__(runner, dataloader, evaluator, fp16)
        self._distiller = distiller_of(runner, type(self).__name__)
        for name, term in self._distiller.terms.items():
            if term.uses_indices:
                raise UserError(f'{type(self).__name__} expects terms that can be asked for images they do not know, '
                                f'got {name!r}, whose {type(term.loss).__name__} numbers the training images. Validate '
                                'by mmkd.FeatureValLoop, or by labels.')
        for role in without_model(self._distiller.teachers):
            raise UserError(f'{type(self).__name__} expects teachers that can be asked for other images than those of '
                            f'training, got the {role} with a cache alone. Write its config and checkpoint beside the '
                            'cache.')
        averaged = getattr(runner.log_processor, 'mean_pattern', re.compile('$^'))
        for name in self._distiller.terms:
            if name == TOTAL or averaged.search(f'terms/{name}'):
                raise UserError(f"{type(self).__name__} expects terms with other names than {TOTAL!r}, which is their "
                                f'sum, and without "loss" or "time", of which the log shows means over several '
                                f'validations, got {name!r}. Rename the term.')
        self._values: dict[int, list[float]] = {}

    def add(self, index: int, inputs: Tensor, samples: Labels) -> None:
        """Keeps the losses of a batch, by its number among those of all processes."""
        number = self.batches.numbers[index]
        seed_all(SEED, number, MODEL)
        with unchanged_state(*self._distiller.terms.values()):
            losses = self._distiller(inputs, samples, mode='loss')
        own = {key: value for key, value in losses.items() if key.removeprefix('loss_') not in self._distiller.terms}
        values = {name: losses[f'loss_{name}'] for name in self._distiller.terms} | dict(
            task=self._distiller.total(own) if self._distiller.task_weight else None,
            total=self._distiller.total(losses))
        self._values[number] = [float(value) for value in values.values() if value is not None]

    def figures(self) -> dict[str, float]:
        """The means over all images."""
        given, self._values = self._values, {}
        names = [*self._distiller.terms, *(['task'] if self._distiller.task_weight else []), TOTAL]
        table = torch.zeros(self.batches.count, len(names), dtype=torch.float64)  # zero where others have the batch
        for number, values in given.items():
            table[number] = torch.tensor(values, dtype=torch.float64) * len(self.batches.indices(number))
        all_reduce(table)
        means = table.sum(0) / self.batches.images
        if any(term.is_estimating for term in self._distiller.terms.values()):
            means[-1] = torch.inf  # the terms count nothing yet, which is no best result
        return {f'terms/{name}': value for name, value in zip(names, means.tolist(), strict=True)}


@LOOPS.register_module()
class TermLossTestLoop(TermLossValLoop):
    """:class:`TermLossValLoop` for ``test_cfg``: the same figures of the test set."""

    stage = 'test'
