"""Images of one size in batches: which are taken, and how they are brought to that size."""
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from mmkd.utils import UserError
from mmkd.utils.errors import lacks_memory

from .images import ImageSource

SIZE = 224  # where the images have no size in common
PEEKED = 8  # images, to see whether they have
NAMED = 5  # unreadable images, in the terminal


class ImageBatches:
    """Batches of images as RGB tensors (N, 3, H, W) of uint8, with labels (N,).

    Images that cannot be read are left out, and others take their place. Each pass gives the same images.

    Args:
        source: The images.
        number: How many; fewer if there are not so many. None takes all.
        batch_size: Images a batch; the last one may have fewer.
        size: Side of the images; None keeps their own if they have one in common, else 224.
        crop: Whether the shorter side is resized and the middle cut out, instead of changing the aspect.
        first: Whether to take the first ones in their order, as the authors' scripts do, instead of drawing evenly
            over the classes.
        seed: Of the draw.

    Attributes:
        unreadable: Name and reason of each image that could not be read.

    Raises:
        UserError: A number is out of range.
    """

    def __init__(self, source: ImageSource, number: int | None = None, batch_size: int = 1, size: int | None = None,
                 crop: bool = False, first: bool = False, seed: int = 0) -> None:
        for option, value in (('--number', number), ('--batch-size', batch_size), ('--size', size)):
            if value is not None and value < 1:
                raise UserError(f'{option} expects 1 or more, got {value}. Correct it.')
        self.source, self.batch_size, self.crop, self.first, self.seed = source, batch_size, crop, first, seed
        self.number = min(number or len(source), len(source))
        self._order = list(range(len(source))) if first else even_order(source.labels, len(source), seed)
        self.unreadable: dict[str, str] = {}
        self._broken: set[int] = set()
        self.size = size or self._common_size()

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Images and labels; the labels are None where there are none.

        Raises:
            UserError: Not one image can be read.
        """
        images: list[Tensor] = []
        labels: list[int] = []
        found = 0
        for index in self._order:
            if found == self.number:
                break
            image = self._read(index)
            if image is None:
                continue
            found += 1
            images.append(self._resized(image))
            labels += [] if self.source.labels is None else [self.source.labels[index]]
            if len(images) == self.batch_size:
                yield torch.stack(images), torch.tensor(labels) if labels else None
                images, labels = [], []
        if images:
            yield torch.stack(images), torch.tensor(labels) if labels else None
        if not found:
            name, reason = next(iter(self.unreadable.items()))
            raise UserError(f'{self.source.name} expects images that can be read, got none; {name}: {reason}. Check '
                            'the files.')

    def __len__(self) -> int:
        """The number of batches, if all images can be read."""
        return -(-self.number // self.batch_size)

    def settings(self) -> dict:
        """What is written of the images beside the numbers."""
        return dict(source=self.source.name, number=min(self.number, len(self.source) - len(self._broken)),
                    size=self.size, resized='shorter side, middle cut out' if self.crop else 'both sides',
                    chosen='the first' if self.first else f'evenly over the classes, seed {self.seed}',
                    unreadable=self.unreadable)

    def _read(self, index: int) -> np.ndarray | None:
        if index in self._broken:
            return None
        try:
            return self.source.read(index)
        except OSError as error:
            self._broken.add(index)
            self._leave_out(self.source.describe(index), str(error))
            return None

    def enough_memory(self, label: str, also: str = '') -> AbstractContextManager[None]:
        """Says which options to lower where the memory is not enough for a batch; see :func:`enough_memory`.

        Args:
            label: What needs it.
            also: Another option that helps, such as ``' or --positions'``.
        """
        return enough_memory(label, f'--size or --batch-size{also}', f' for {self.batch_size} image'
                             f'{"s" if self.batch_size > 1 else ""} of {self.size}×{self.size}')

    def _leave_out(self, name: str, reason: str) -> None:
        self.unreadable[name] = reason
        count = len(self.unreadable)
        if count <= NAMED:
            print(f'left out, cannot be read: {name} ({reason})', file=sys.stderr)
        elif count == NAMED + 1:
            print('left out: more images; the results name all of them', file=sys.stderr)

    def _common_size(self) -> int:
        shapes = {image.shape[:2] for index in self._order[:PEEKED] if (image := self._read(index)) is not None}
        height, width = shapes.pop() if len(shapes) == 1 else (SIZE, None)
        return height if height == width else SIZE

    def _resized(self, image: np.ndarray) -> Tensor:
        if image.shape[:2] == (self.size, self.size):
            return torch.from_numpy(image.copy()).permute(2, 0, 1)
        picture, goal = Image.fromarray(image), (self.size, self.size)
        box = None
        if self.crop:
            width, height = picture.size
            side = min(width, height)
            left, top = (width - side) / 2, (height - side) / 2
            box = (left, top, left + side, top + side)
        return torch.from_numpy(np.array(picture.resize(goal, Image.Resampling.BICUBIC, box))).permute(2, 0, 1)


def even_order(labels: list[int] | None, count: int, seed: int) -> list[int]:
    """All images in an order of which every beginning is spread evenly over the classes.

    Args:
        labels: The class of each image; None where there are none.
        count: The number of images.
        seed: Of the order of the classes, and of the images in each.
    """
    generator = np.random.default_rng(seed)
    ranks = generator.permutation(count)
    if labels is None:
        return ranks.argsort().tolist()
    classes = np.asarray(labels)
    turn = np.empty(count, dtype=int)  # which of its class an image is
    for name in np.unique(classes):
        members = np.flatnonzero(classes == name)
        turn[members[ranks[members].argsort()]] = np.arange(len(members))
    return np.lexsort((ranks, turn)).tolist()


@contextmanager
def enough_memory(what: str, options: str, amount: str = '') -> Iterator[None]:
    """Says which options to lower where the memory is not enough.

    Args:
        what: What needs it.
        options: The options, such as ``'--size or --batch-size'``.
        amount: What it is needed for, such as ``' for 32 images of 224×224'``.

    Raises:
        UserError: It was not enough.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not lacks_memory(error):
            raise
        raise UserError(f'{what} needs more memory than there is{amount}. Lower {options}.') from error
