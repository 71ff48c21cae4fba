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
        self.kept: dict[tuple[int, int], View] = {}  # what a partner may ask for

    def sample(self, epoch: int, index: int) -> dict:
        """One sample, complete."""
        views, view = self.views, self.unmixed(epoch, index)
        data = view.data
        if view.draw is not None:
            pixels, score = self.mixed(epoch, index, view)
            data['data_samples'].set_gt_score(score)
            data = dict(data, inputs=pixels)  # a partner still asks for the other
        mark = data['data_samples'].set_field
        mark((epoch, index), 'view', field_type='metainfo')
        if views.checked and view.word % views.checked == 0:
            mark(checksum(data['inputs']), 'view_checksum', field_type='metainfo')
        if views.answers is not None:
            mark(views.answers.row(epoch, index), 'teacher_answer', field_type='metainfo')
        return data

    def unmixed(self, epoch: int, index: int) -> View:
        """A view before it is mixed."""
        views, key = self.views, (epoch, index)
        if key in self.kept:
            return self.kept[key]
        words = words_of(views.seed, epoch, index)
        if views.mixing is None:
            seed_generators(words)
            return View(packed(views.dataset[index]), None, None, words[4])
        draw = views.mixing.draw(words[3])
        seed_generators(words)
        data = packed(views.dataset[index])
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
