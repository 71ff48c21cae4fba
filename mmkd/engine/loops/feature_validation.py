"""Validating features: what a k-NN classifier and a linear probe make of them."""
from collections.abc import Callable
from itertools import zip_longest

import torch
from mmengine.dist import all_reduce
from mmengine.runner import Runner
from mmengine.runner.amp import autocast
from torch import Tensor
from torch.utils.data import DataLoader

from mmkd.distillers import Distiller, Teacher
from mmkd.distillers.inputs import target_of
from mmkd.distillers.models import device_of
from mmkd.engine.features import PooledFeatures
from mmkd.engine.figure_loop import FigureLoop
from mmkd.engine.models import model_of
from mmkd.engine.shared_batches import joined, shared_loader
from mmkd.evaluation.linear_probe import RidgeProbe
from mmkd.evaluation.neighbours import hits, neighbour_votes
from mmkd.registry import LOOPS
from mmkd.utils import UserError
from mmkd.utils.building.arguments import POSITIVE, check_arguments
from mmkd.utils.randomness import unchanged_generators

MOST = 5  # of top-5, which is told where there are twice as many classes


@LOOPS.register_module()
class FeatureValLoop(FigureLoop):
    """Classifies the validation images by frozen features of the student, from a labelled bank of images.

    Its figures, in per cent, are ``knn/top1`` (a weighted vote of the nearest images of the bank,
    :func:`mmkd.evaluation.neighbours.neighbour_votes`), ``probe/top1`` (a ridge regression on the bank,
    :class:`mmkd.evaluation.linear_probe.RidgeProbe`) and, from ten classes on, the same as ``top5``. The student needs
    no classifier and no labels to train on; a model that is no distiller is validated itself. With a running average
    of the weights it is that which is validated, as by MMEngine's loop.

    The features of the bank are read at each validation. Every process keeps all of them on the CPU, 4 bytes for each
    image and channel: 3.9 GB for ImageNet and 768 channels.

    Args:
        runner: The runner.
        dataloader: The labelled validation set; its sampler does not count.
        bank_dataloader: The labelled images to compare with, likewise.
        evaluator: ``[]``.
        neighbours: How many images vote.
        temperature: Of the votes; the lower it is, the more the nearest count.
        probe: Whether to fit the linear probe, too.
        tap: Where the features are read; None for what the classifier reads (``'pre_logits'``), or the last stage of a
            student without one. See :class:`mmkd.engine.features.PooledFeatures` for how it is pooled.
        teacher_tap: The same of teachers, which ``mmkd.DistillationHook`` validates likewise.
        fp16: Whether to run the student in mixed precision.

    Raises:
        UserError: The bank has fewer images than there are neighbours, or other classes than the validation set; an
            image has no label; or there is no such tap.
    """

    def __init__(self, runner: Runner, dataloader: DataLoader | dict, bank_dataloader: DataLoader | dict,
                 evaluator: object = None, neighbours: int = 20, temperature: float = 0.07, probe: bool = True,
                 tap: str | None = None, teacher_tap: str | None = None, fp16: bool = False) -> None:
        super().__init__(runner, dataloader, evaluator, fp16)
        check_arguments(type(self).__name__, temperature=(temperature, POSITIVE))
        self.neighbours, self.temperature, self.probe = neighbours, temperature, probe
        self.teacher_tap = teacher_tap
        self.bank_dataloader = shared_loader(
            runner.build_dataloader(bank_dataloader, seed=runner.seed), 'bank_dataloader')
        self.classes = self._names()
        size = len(self.bank_dataloader.dataset)
        if type(neighbours) is not int or not 0 < neighbours <= size:
            raise UserError(f'{type(self).__name__} expects neighbours to be from 1 to {size}, the number of images in '
                            f'the bank, got {neighbours!r}. Lower it, or give the bank more images.')
        model = model_of(runner)
        self.features = PooledFeatures(model.student if isinstance(model, Distiller) else model, tap)
        self._rows: list[Tensor] = []
        runner.logger.info(f'{type(self).__name__} reads {self.features.tap} of the student, pooled, of '
                           f'{len(self.dataloader.dataset)} images and of {size} of the bank.')

    def add(self, index: int, inputs: Tensor, samples: object) -> None:
        """Reads the features of a batch."""
        self._rows.append(self._read(self.features, inputs, samples))

    def figures(self) -> dict[str, float]:
        """Reads the bank and classifies what was read of the validation set."""
        rows, self._rows = self._rows, []
        bank = self._read_all(self.features, self.bank_dataloader)
        self.features.close()
        return self._classify(rows, bank, device_of(self.features.model))

    @torch.no_grad()
    def teacher_figures(self, teacher: Teacher) -> dict[str, float]:
        """The same figures of a teacher's features."""
        features = PooledFeatures(teacher.model, self.teacher_tap)
        with unchanged_generators():
            rows, bank = (self._read_all(features, loader, teacher.predict)
                          for loader in (self.dataloader, self.bank_dataloader))
        features.close()
        return self._classify(rows, bank, device_of(teacher.model))

    def _read_all(self, features: PooledFeatures, loader: DataLoader,
                  forward: Callable[..., object] | None = None) -> list[Tensor]:
        with autocast(enabled=self.fp16):
            return [self._read(features, *self.preprocessed(batch), forward) for batch in loader]

    def _read(self, features: PooledFeatures, inputs: Tensor, samples: object,
              forward: Callable[..., object] | None = None) -> Tensor:
        """One row an image: features, and the label at the end (exact in fp32 below 16 million classes)."""
        labels = target_of(samples)
        if labels is None or labels.dim() != 1:
            raise UserError(f'{type(self).__name__} expects one label an image in the validation set and the bank, got '
                            f'{"none" if labels is None else "soft ones"}. Validate without labels by '
                            "mmkd.TermLossValLoop, or name labelled images.")
        read = features.read(inputs, None if isinstance(samples, Tensor) else samples, forward)
        return torch.cat([read, labels[:, None].float().cpu()], dim=1)

    def _classify(self, rows: list[Tensor], bank_rows: list[Tensor], device: torch.device) -> dict[str, float]:
        """The figures from the rows of this process."""
        bank = joined(bank_rows, self.bank_dataloader.batch_sampler)
        own = torch.cat(rows) if rows else bank[:0]
        labels = torch.stack([bank[:, -1].max(), own[:, -1].max() if len(own) else bank[0, -1]]).long().max()[None]
        bad = (~torch.stack([bank.isfinite().all(), own.isfinite().all()])).any().long()[None]
        all_reduce(labels, 'max')
        all_reduce(bad, 'max')
        if bad:
            raise UserError(f'{type(self).__name__} expects finite features, got NaN or infinity at '
                            f'{self.features.tap}. The model has diverged: lower the learning rate.')
        return self._count(own, bank, max(int(labels) + 1, len(self.classes)), device)

    def _count(self, own: Tensor, bank: Tensor, classes: int, device: torch.device) -> dict[str, float]:
        features, labels = bank[:, :-1], bank[:, -1].long()
        place = device if device.type == 'cuda' else torch.device('cpu')  # others lack double precision
        scores = dict(knn=neighbour_votes(own[:, :-1], features, labels, classes, self.neighbours, self.temperature,
                                          place))
        if self.probe:
            scores['probe'] = RidgeProbe(features, labels, classes, place).scores(own[:, :-1])
        tops = (1, MOST) if classes >= 2 * MOST else (1, )
        keys = [(name, top) for name in scores for top in tops]
        counts = torch.tensor([hits(scores[name], own[:, -1].long(), top) for name, top in keys])
        all_reduce(counts)
        return {f'{name}/top{top}': 100 * count / self.batches.images
                for (name, top), count in zip(keys, counts.tolist(), strict=True)}

    def _names(self) -> tuple[str, ...]:
        """The names of the classes, the same in both sets; none where one of them does not tell."""
        val, bank = (tuple((getattr(loader.dataset, 'metainfo', None) or {}).get('classes') or ())
                     for loader in (self.dataloader, self.bank_dataloader))
        differing = [i for i, pair in enumerate(zip_longest(val, bank)) if pair[0] != pair[1]] if val and bank else []
        if differing:
            place = differing[0]
            one, two = (f'{names[place]!r}' if place < len(names) else 'none' for names in (bank, val))
            raise UserError(f'{type(self).__name__} expects the same classes in the bank and in the validation set, '
                            f'got for label {place} {one} in the bank and {two} in the validation set. Give both the '
                            'same classes in the same order.')
        return val or bank


@LOOPS.register_module()
class FeatureTestLoop(FeatureValLoop):
    """:class:`FeatureValLoop` for ``test_cfg``: the same figures of the test set."""

    stage = 'test'
