"""A data set whose views depend on seed, epoch and index alone."""
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmengine.registry import DATASETS as ROOT
from torch import Tensor
from torch.utils.data import Dataset

from mmkd.registry import DATASETS
from mmkd.utils import UserError

from .mixing import Draw, Mixing, mix
from .pairs import partners
from .views import ViewIndex, checksum, kept_generators, seed_generators, words_of

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
        few = max(1, min(CHECKED, len(self.dataset) // 16))
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
            batch = ViewBatch(self)
            return [batch.sample(*self.view_of(index)) for index in indices]

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


@dataclass
class View:
    """An image of an epoch before it is mixed.

    Args:
        data: What the pipeline packed.
        draw: What it has drawn for its mixing, if there is any.
        score: Its label as scores, likewise.
        word: A number of its own.
    """
    data: dict
    draw: Draw | None
    score: Tensor | None
    word: int


class ViewBatch:
    """The views of a batch while it is loaded.

    Args:
        views: The data set.
    """

    def __init__(self, views: ReplayedDataset) -> None:
        self.views = views
        self.kept: dict[tuple[int, int], View] = {}  # what a partner may ask for

    def sample(self, epoch: int, index: int) -> dict:
        """One sample, complete."""
        views, view = self.views, self.unmixed(epoch, index)
        data = view.data
        sample = data.get('data_samples') if isinstance(data, dict) else None
        if not hasattr(sample, 'set_field'):
            raise UserError('ReplayedDataset expects samples with data_samples, as PackInputs leaves them, got '
                            f'{type(data).__name__}. End the pipeline with PackInputs.')
        if view.draw is not None:
            pixels, score = self.mixed(epoch, index, view)
            sample.set_gt_score(score)
            data = dict(data, inputs=pixels)  # a partner still asks for the other
        sample.set_field((epoch, index), 'view', field_type='metainfo')
        if views.checked and view.word % views.checked == 0:
            sample.set_field(checksum(data['inputs']), 'view_checksum', field_type='metainfo')
        if views.answers is not None:
            sample.set_field(views.answers.row(epoch, index), 'teacher_answer', field_type='metainfo')
        return data

    def unmixed(self, epoch: int, index: int) -> View:
        """A view before it is mixed."""
        views, key = self.views, (epoch, index)
        if key in self.kept:
            return self.kept[key]
        words = words_of(views.seed, epoch, index)
        if views.mixing is None:
            seed_generators(words)
            return View(views.dataset[index], None, None, words[4])
        draw = views.mixing.draw(words[3])
        seed_generators(words)
        data = views.dataset[index]
        self.kept[key] = View(data, draw, one_hot(data['data_samples'], views.num_classes), words[4])
        return self.kept[key]

    def mixed(self, epoch: int, index: int, view: View) -> tuple[Tensor, Tensor]:
        """Pixels and label of a view, mixed with its partner's."""
        own, partner = view.data['inputs'], int(self.views.partners(epoch)[index])
        if view.draw.augment is None or partner == index:
            return own, view.score
        other = self.unmixed(epoch, partner)
        pixels = other.data['inputs']
        if not isinstance(own, Tensor) or not isinstance(pixels, Tensor) or own.shape != pixels.shape:
            raise UserError(f'mixing expects views of one size, got {_shape(own)} and {_shape(pixels)}. Let the '
                            'pipeline crop or resize all to one size.')
        own, share = mix(view.draw, own, pixels)
        return own, share * view.score + (1 - share) * other.score


def one_hot(sample: Any, num_classes: int) -> Tensor:
    """The label of a sample as scores, (classes,); scores that it has stay.

    Raises:
        UserError: It has no label, or one that is no class.
    """
    if 'gt_score' in sample:
        return sample.gt_score.float()
    labels = sample.get('gt_label')
    if labels is None or not 0 <= int(labels.min()) <= int(labels.max()) < num_classes:
        raise UserError(f'mixing expects labels from 0 to {num_classes - 1}, got '
                        f'{labels if labels is None else labels.tolist()}. Mend the labels, or set num_classes.')
    return torch.zeros(num_classes).index_fill_(0, labels.long().reshape(-1), 1.)


def _shape(pixels: Any) -> object:
    return tuple(pixels.shape) if isinstance(pixels, Tensor) else type(pixels).__name__
