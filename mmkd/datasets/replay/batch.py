"""Loading the views of one batch: each is decoded once, though another may be mixed with it."""
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from mmkd.utils import UserError

from .mixing import Draw, mix
from .views import checksum, seed_generators, words_of

if TYPE_CHECKING:
    from .dataset import ReplayedDataset


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

    def __init__(self, views: 'ReplayedDataset') -> None:
        self.views = views
        self.drawn: dict[tuple[int, int], tuple[list[int], Draw | None]] = {}
        self.kept: dict[tuple[int, int], View] = {}  # what a partner may ask for

    def samples(self, keys: list[tuple[int, int]]) -> list[dict]:
        """The samples of a batch, complete.

        What is short is done for all of them in one go: between two images, none of it is in the processor's cache.

        Args:
            keys: Epoch and index of each.
        """
        for key in keys:
            self.draw(key)
        loaded = [self.unmixed(key) for key in keys]
        return [self.finished(key, view) for key, view in zip(keys, loaded, strict=True)]

    def draw(self, key: tuple[int, int]) -> tuple[list[int], Draw | None]:
        """The numbers of a view, and what it has drawn for its mixing, if there is any."""
        if key not in self.drawn:
            words, mixing = words_of(self.views.seed, *key), self.views.mixing
            self.drawn[key] = words, None if mixing is None else mixing.draw(words[3])
        return self.drawn[key]

    def unmixed(self, key: tuple[int, int]) -> View:
        """A view before it is mixed."""
        if key in self.kept:
            return self.kept[key]
        views, (words, draw) = self.views, self.draw(key)
        seed_generators(words)
        data = packed(views.dataset[key[1]])
        if draw is None:
            return View(data, None, None, words[4])
        self.kept[key] = View(data, draw, one_hot(data['data_samples'], views.num_classes), words[4])
        return self.kept[key]

    def finished(self, key: tuple[int, int], view: View) -> dict:
        """A sample with its mark, and mixed if it is to be."""
        views, data = self.views, view.data
        if view.draw is not None:
            pixels, score = self.mixed(key, view)
            data['data_samples'].set_gt_score(score)
            data = dict(data, inputs=pixels)  # a partner still asks for the other
        mark = data['data_samples'].set_field
        mark(key, 'view', field_type='metainfo')
        if views.checked and view.word % views.checked == 0:
            mark(checksum(data['inputs']), 'view_checksum', field_type='metainfo')
        if views.answers is not None:
            mark(views.answers.row(*key), 'teacher_answer', field_type='metainfo')
        return data

    def mixed(self, key: tuple[int, int], view: View) -> tuple[Tensor, Tensor]:
        """Pixels and label of a view, mixed with its partner's."""
        (epoch, index), own = key, view.data['inputs']
        partner = int(self.views.partners(epoch)[index])
        if view.draw.augment is None or partner == index:
            return own, view.score
        other = self.unmixed((epoch, partner))
        pixels = other.data['inputs']
        if not isinstance(own, Tensor) or not isinstance(pixels, Tensor) or own.shape != pixels.shape:
            raise UserError(f'mixing expects views of one size, got {_shape(own)} and {_shape(pixels)}. Let the '
                            'pipeline crop or resize all to one size.')
        own, share = mix(view.draw, own, pixels)
        return own, share * view.score + (1 - share) * other.score


def packed(data: Any) -> dict:
    """What a pipeline has made, if data samples are among it.

    Raises:
        UserError: None are.
    """
    if not isinstance(data, dict) or not hasattr(data.get('data_samples'), 'set_field'):
        raise UserError('ReplayedDataset expects samples with data_samples, as PackInputs leaves them, got '
                        f'{type(data).__name__}. End the pipeline with PackInputs.')
    return data


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
