"""Setting pictures aside to validate on."""
import random
from collections import defaultdict
from numbers import Real

from mmkd.utils import UserError

from .folders import Entry, Pictures


def divide(pictures: Pictures, share: float, seed: int) -> None:
    """Moves a share of the training pictures of each class to those to validate on, unless there are some.

    Which ones follows from the seed and the paths alone. A class with a single picture keeps it for training.

    Args:
        pictures: The pictures; changed.
        share: The share, in (0, 1).
        seed: Of the draw.

    Raises:
        UserError: The share is not one, or no picture would be left on one side.
    """
    if not isinstance(share, Real) or not 0 < share < 1:
        raise UserError(f'val_share expects a share between 0 and 1, got {share!r}. 0.2 keeps one picture in five.')
    if pictures.val:
        pictures.notes.append(f'{len(pictures.train)} pictures to train and {len(pictures.val)} to validate, as the '
                              'folders have them')
        return
    by_class: dict[int, list[Entry]] = defaultdict(list)
    for entry in sorted(pictures.train):
        by_class[entry[1]].append(entry)
    train: list[Entry] = []
    for number, entries in sorted(by_class.items()):
        random.Random(f'{seed} {number}').shuffle(entries)
        count = min(max(round(share * len(entries)), 1), len(entries) - 1)
        pictures.val += sorted(entries[:count])
        train += sorted(entries[count:])
    if not pictures.val:
        raise UserError(f'data expects two pictures or more of a class, got one of each in {pictures.root}. Add some.')
    pictures.train = train
    pictures.notes.append(f'{len(train)} pictures to train and {len(pictures.val)} to validate: {share:.0%} '
                          f'{"of each class " if pictures.classes else ""}were set aside (seed {seed})')
