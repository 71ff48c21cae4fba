"""Turns scikit-learn's 1,797 handwritten digits into a small benchmark: classes, boxes, masks.

Nothing is downloaded. The digits are drawn in bright inks on dark textures, once each as a
32x32 image for classification, and a few at a time as scenes for detection and segmentation::

    data/digits/
    ├── digits.json                               the settings that made it
    ├── train/<class>/digit_<index>.png           mmpretrain: CustomDataset, ImageNet
    ├── val/<class>/digit_<index>.png
    ├── meta/{train,val}.txt                      '<class>/digit_<index>.png <label>'
    ├── meta/train_5_per_class_seed{0..4}.txt     five labelled images a class
    └── scenes
        ├── images/{train,val}/scene_<number>.png
        ├── annotations/instances_{train,val}.json    mmdet: CocoDataset
        └── annotations_seg/{train,val}/…             mmseg: BaseSegDataset

No digit of a train image or scene occurs in a val image or scene: <index> is the digit's row in
``sklearn.datasets.load_digits()``, and scenes name theirs as ``digit_index``.
"""
import argparse
import signal
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from digits_drawing import DigitCutout, draw_image, draw_strokes
from tqdm import tqdm

from mmkd.datasets.scenes.drawing import Look, draw_scene
from mmkd.datasets.scenes.making import make_folder
from mmkd.datasets.scenes.settings import SceneSettings as Settings
from mmkd.datasets.scenes.settings import add_scene_options, missing_files, missing_scenes
from mmkd.datasets.scenes.writing import Things, save_image, write_scenes
from mmkd.utils import UserError
from mmkd.utils.command_line.cli import ToolParser, one_line_errors

FORMAT = 1  # raised whenever the same settings give other files
STAMP = 'digits.json'
VAL_PER_CLASS = 50
FEW_PER_CLASS = 5
FEW_SEEDS = 5
CLASSES = tuple('0123456789')
LOOK = Look(things=(2, 6), heights=(0.25, 0.375), overlap=0.1, brightness=(0.1, 0.3))


@dataclass(frozen=True)
class Digits:
    """The digits and their split.

    Args:
        images: Ink from 0 to 1, (N, 8, 8).
        labels: The classes, (N,).
        splits: Indices of the ``train`` and the ``val`` digits.
    """
    images: np.ndarray
    labels: np.ndarray
    splits: dict[str, np.ndarray]


def load_digits(settings: Settings) -> Digits:
    """Loads scikit-learn's digits; 50 a class are set apart as val."""
    try:
        from sklearn import datasets
    except ImportError as error:
        raise UserError('the digits come with scikit-learn, which cannot be imported. '
                        'Run: pip install scikit-learn') from error
    bunch = datasets.load_digits()
    order = settings.rng('split').permutation(len(bunch.target))
    val = _first_of_each_class(order, bunch.target, VAL_PER_CLASS)
    train = np.setdiff1d(order, val)
    return Digits((bunch.images / 16).astype(np.float32), bunch.target, dict(train=train, val=val))


def _first_of_each_class(order: np.ndarray, labels: np.ndarray, count: int) -> np.ndarray:
    """The first ``count`` indices of each class in an order, sorted."""
    return np.sort(np.concatenate([order[labels[order] == c][:count] for c in range(len(CLASSES))]))


def few_digits(digits: Digits, settings: Settings, number: int) -> np.ndarray:
    """A draw of five train digits a class, sorted; another number is another draw."""
    order = settings.rng('few', number).permutation(digits.splits['train'])
    return _first_of_each_class(order, digits.labels, FEW_PER_CLASS)


def write_images(folder: Path, digits: Digits, settings: Settings) -> Iterable[None]:
    """Writes the classification images and their lists; yields after each image."""
    (folder / 'meta').mkdir(parents=True)
    for split, indices in digits.splits.items():
        for index in indices.tolist():
            image = draw_image(settings.rng('image', index), digits.images[index])
            save_image(folder / split / _image_name(index, digits), image)
            yield
        _write_list(folder / f'meta/{split}.txt', indices, digits)
    for number in range(FEW_SEEDS):
        few = few_digits(digits, settings, number)
        name = f'train_{FEW_PER_CLASS}_per_class_seed{number}.txt'
        _write_list(folder / 'meta' / name, few, digits)


def _image_name(index: int, digits: Digits) -> str:
    return f'{digits.labels[index]}/digit_{index:04d}.png'


def _write_list(path: Path, indices: np.ndarray, digits: Digits) -> None:
    lines = [f'{_image_name(index, digits)} {digits.labels[index]}\n' for index in indices]
    path.write_text(''.join(lines))


def draw_scenes(digits: Digits, settings: Settings, split: str) -> Iterator[tuple]:
    """Draws one split's scenes; the digits are named by their rows."""
    pool = digits.splits[split]

    def cut(rng: np.random.Generator, row: int, height: float) -> DigitCutout:
        return DigitCutout(draw_strokes(digits.images[pool[row]], height))

    for number in range(settings.scenes(split)):
        canvas, owner, placed = draw_scene(settings.rng(split, number), settings.scene_size, len(pool), cut, LOOK)
        yield canvas, owner, pool[placed]


def write_all(folder: Path, settings: Settings) -> None:
    """Writes images and scenes, with a progress bar on a terminal."""
    digits = load_digits(settings)
    total = len(digits.images) + settings.scenes_train + settings.scenes_val
    with tqdm(total=total, unit='picture', disable=None) as progress:
        for _ in write_images(folder, digits, settings):
            progress.update()
        for split in digits.splits:
            scenes = draw_scenes(digits, settings, split)
            for _ in write_scenes(folder / 'scenes', split, scenes, Things(digits.labels, CLASSES, 'digit_index')):
                progress.update()


def convert(out: Path, settings: Settings, force: bool = False) -> bool:
    """Makes a folder of digits, at once: see :func:`mmkd.datasets.scenes.making.make_folder`."""
    wanted = dict(format=FORMAT, **asdict(settings))
    return make_folder(out, STAMP, wanted, lambda folder: write_all(folder, settings), force,
                       lambda folder: _damage(folder, settings))


def _damage(folder: Path, settings: Settings) -> str:
    """What is not there of data that were made; an empty text if nothing is missing."""
    for split in ('train', 'val'):
        listed = folder / f'meta/{split}.txt'
        found = (missing_files(folder / split, len(listed.read_text().splitlines())) if listed.is_file()
                 else f'{listed} does not exist')
        if found:
            return found
    return missing_scenes(folder / 'scenes', settings)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = ToolParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_scene_options(parser, Settings(), 'data/digits', 'the split, the textures, the inks and the scenes', 'digits')
    return parser.parse_args(argv)


@one_line_errors
def main() -> None:
    """Runs the command; a user's mistake ends it with one line and exit code 2."""
    args = parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the temporary folder goes
    written = convert(args.out, Settings.read(args), args.force)
    print(f'{args.out}: {"written" if written else "already there"}.')


if __name__ == '__main__':
    main()
