"""A data set whose views depend on seed, epoch and index alone."""
from collections.abc import Mapping
from typing import Any

import numpy as np
from mmengine.registry import DATASETS as ROOT
from torch.utils.data import Dataset

from mmkd.registry import DATASETS
from mmkd.utils import UserError

from .batch import ViewBatch
from .mixing import Mixing
from .pairs import partners
from .views import ViewIndex, kept_generators

CHECKED = 64  # one view of so many has a checksum, or more of a small set
SHARES = ('some', 'all', 'none')


@DATASETS.register_module()
class ReplayedDataset(Dataset):
    """Another data set, of which each image looks the same whenever it is asked for in the same epoch.

    Whatever draws from the global generators of NumPy, ``random`` and PyTorch's CPU (all transforms of mmpretrain do)
    draws numbers that follow from seed, epoch and index: not from workers, processes, order, batch size or what was
    loaded before. The generators are left as they were. An index is a :class:`ViewIndex`.

    A sample's ``data_samples`` gains ``view``, its epoch and index; for some views ``view_checksum``, of the pixels;
    with answers ``teacher_answer``; and with mixing ``gt_score``.

    Args:
        dataset: The other data set, or its config.
        seed: The seed of the views.
        epochs: After how many epochs the views repeat; None lets none repeat.
        mixing: The batch augmentations of a classifier, ``dict(augments=…, probs=…)``. The partner of an image is
            another of the same epoch, as it looks without being mixed.
        num_classes: How many classes the labels have; needed for mixing if the data set does not name its classes.
        answers: What a teacher said: an object with ``row(epoch, index)``, which goes to the workers of a loader.
        checksums: ``'some'``, ``'all'`` or ``'none'`` of the views have a checksum.
        default_epoch: The epoch of an index that says none; None refuses it.

    Raises:
        UserError: An argument is wrong, or views cannot be mixed.
    """

    def __init__(self, dataset: Any, seed: int, epochs: int | None = None, mixing: dict | None = None,
                 num_classes: int | None = None, answers: Any = None, checksums: str = 'some',
                 default_epoch: int | None = None) -> None:
        for name, value, least in (('seed', seed, 0), ('epochs', epochs, 1), ('default_epoch', default_epoch, 0)):
            if value is not None and value < least:
                raise UserError(f'ReplayedDataset expects {name} from {least}, got {value}. '
                                'Take another number.')
        if checksums not in SHARES:
            raise UserError(f"ReplayedDataset expects checksums 'some', 'all' or 'none', got {checksums!r}.")
        self.dataset = ROOT.build(dataset) if isinstance(dataset, Mapping) else dataset
        self.seed, self.epochs, self.answers, self.default_epoch = seed, epochs, answers, default_epoch
        self.mixing = None if mixing is None else Mixing(mixing)
        classes = (getattr(self.dataset, 'metainfo', None) or {}).get('classes') or ()
        self.num_classes = num_classes or len(classes) or None
        if self.mixing is not None and self.num_classes is None:
            raise UserError('ReplayedDataset expects num_classes for mixing, got None, and the data set names no '
                            'classes. Set num_classes.')
        few = max(1, min(CHECKED, len(self.dataset) // 8))
        self.checked = dict(some=few, all=1, none=0)[checksums]  # one of so many

    def __getattr__(self, name: str) -> Any:
        if name.startswith('__') or name == 'dataset':
            raise AttributeError(name)
        return getattr(self.dataset, name)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict:
        return ReplayedDataset.__getitems__(self, [index])[0]

    def __getitems__(self, indices: list[int]) -> list[dict]:
        """Loads the views of a batch; one that is the partner of another there is decoded once."""
        with kept_generators():
            return ViewBatch(self).samples([self.view_of(index) for index in indices])

    def view_of(self, index: int) -> tuple[int, int]:
        """The epoch, among those that differ, and the index of a view.

        Raises:
            UserError: The index says no epoch.
        """
        epoch = index.epoch if isinstance(index, ViewIndex) else self.default_epoch
        if epoch is None:
            raise UserError(f'ReplayedDataset expects an index that says its epoch, got {index!r}. Load it with '
                            'mmkd.datasets.replay.replay_loader, ask for ViewIndex(index, epoch), or set '
                            'default_epoch=0.')
        return epoch % self.epochs if self.epochs else epoch, int(index)

    def partners(self, epoch: int) -> np.ndarray:
        """The partner of each image in an epoch."""
        return partners(self.seed, epoch % self.epochs if self.epochs else epoch, len(self.dataset))
