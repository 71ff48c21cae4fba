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
import json
import signal
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from digits_drawing import draw_image, draw_scene
from PIL import Image
from tqdm import tqdm

from mmkd.utils import UserError
from mmkd.utils.command_line.cli import ToolParser, one_line_errors
from mmkd.utils.files.small import one_at_a_time, put_in_place

FORMAT = 1  # raised whenever the same settings give other files
VAL_PER_CLASS = 50
FEW_PER_CLASS = 5
FEW_SEEDS = 5
CLASSES = tuple('0123456789')
PALETTE = ((0, 0, 0), (230, 25, 75), (60, 180, 75), (255, 225, 25), (0, 130, 200), (245, 130, 48),
           (145, 30, 180), (70, 240, 240), (240, 50, 230), (210, 245, 60), (0, 128, 128))
# Every picture has a random stream of its own, [seed, stream, number]: none depends on another.
STREAMS = dict(image=0, train=1, val=2, split=3, few=4)


@dataclass(frozen=True)
class Settings:
    """What decides the files' content: the options of that name."""
    seed: int = 0
    scenes_train: int = 400
    scenes_val: int = 80
    scene_size: int = 96

    def __post_init__(self) -> None:
        lowest = dict(seed=0, scenes_train=1, scenes_val=1, scene_size=64)
        for name, least in lowest.items():
            if getattr(self, name) < least:
                option = '--' + name.replace('_', '-')
                raise UserError(f'{option} expects {least} or more, got {getattr(self, name)}.')

    def rng(self, stream: str, number: int = 0) -> np.random.Generator:
        """A random stream for one picture or list."""
        return np.random.default_rng([self.seed, STREAMS[stream], number])


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


def rle(mask: np.ndarray) -> dict:
    """A mask as COCO's uncompressed run lengths: column by column, background first."""
    flat = np.pad(mask.ravel(order='F'), (1, 0))
    starts = np.flatnonzero(flat[1:] != flat[:-1])
    counts = np.diff([0, *starts, mask.size]).tolist()
    return dict(size=list(mask.shape), counts=counts)


def coco_annotation(mask: np.ndarray, label: int) -> dict:
    """The annotation of one digit, without its ids."""
    rows, columns = (np.flatnonzero(mask.any(axis)).tolist() for axis in (1, 0))
    box = [columns[0], rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1]
    return dict(category_id=label + 1, bbox=box, area=int(mask.sum()), iscrowd=0,
                segmentation=rle(mask))


def save_image(path: Path, image: np.ndarray) -> None:
    """Saves RGB from 0 to 1."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((255 * image + 0.5).astype(np.uint8)).save(path)


def save_labels(path: Path, labels: np.ndarray) -> None:
    """Saves labels as a palette image: 0 is the background, digit d has the label d + 1."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(labels.astype(np.uint8))
    image.putpalette([value for colour in PALETTE for value in colour])
    image.save(path)


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


def write_scenes(folder: Path, digits: Digits, settings: Settings, split: str) -> Iterable[None]:
    """Writes one split's scenes with both kinds of annotation; yields after each scene."""
    images, annotations, pool = [], [], digits.splits[split]
    for number in range(getattr(settings, f'scenes_{split}')):
        canvas, owner, placed = draw_scene(settings.rng(split, number), settings.scene_size,
                                           digits.images[pool])
        name = f'scene_{number:04d}.png'
        save_image(folder / 'images' / split / name, canvas)
        placed = pool[placed]
        labels = digits.labels[placed]
        save_labels(folder / 'annotations_seg' / split / name, np.append(0, labels + 1)[owner])
        images.append(dict(id=number + 1, file_name=name, height=len(canvas), width=len(canvas)))
        for i, index in enumerate(placed.tolist()):
            annotation = coco_annotation(owner == i + 1, int(labels[i]))
            annotations.append(dict(id=len(annotations) + 1, image_id=number + 1, digit_index=index,
                                    **annotation))
        yield
    categories = [dict(id=i + 1, name=name) for i, name in enumerate(CLASSES)]
    content = dict(images=images, annotations=annotations, categories=categories)
    (folder / 'annotations').mkdir(exist_ok=True)
    (folder / f'annotations/instances_{split}.json').write_text(json.dumps(content))


def write_all(folder: Path, settings: Settings) -> None:
    """Writes images and scenes, with a progress bar on a terminal."""
    digits = load_digits(settings)
    total = len(digits.images) + settings.scenes_train + settings.scenes_val
    with tqdm(total=total, unit='picture', disable=None) as progress:
        for _ in write_images(folder, digits, settings):
            progress.update()
        for split in digits.splits:
            for _ in write_scenes(folder / 'scenes', digits, settings, split):
                progress.update()


def read_stamp(out: Path) -> dict | None:
    """Reads the settings of the data in a folder; ``None`` if it is empty or not there.

    Raises:
        UserError: There is something else, which is not this script's to replace.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    try:
        stamp = json.loads((out / 'digits.json').read_text())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        stamp = None
    if not isinstance(stamp, dict) or 'format' not in stamp:
        raise UserError(f'--out expects a new or empty folder, or one that this script made, got {out}. '
                        'Name another one.')
    return stamp


def convert(out: Path, settings: Settings, force: bool = False) -> bool:
    """Writes the data to a temporary folder beside ``out``, which takes its place at the end.

    Args:
        out: The folder to make.
        settings: What to write.
        force: Whether to replace data that this script made with other settings.

    Returns:
        Whether anything was written; not if the same data are there already.

    Raises:
        UserError: ``out`` holds something else.
    """
    out = out.expanduser().resolve()
    stamp, wanted = read_stamp(out), dict(format=FORMAT, **asdict(settings))
    if stamp == wanted and not force:
        return False
    if stamp and not force:
        differing = ', '.join(name for name in wanted if stamp.get(name) != wanted[name])
        raise UserError(f'{out} was made with another {differing}. Give the same settings, another '
                        '--out, or --force to replace it.')
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f'.{out.name}-', dir=out.parent) as folder:
        new, old = Path(folder, 'new'), Path(folder, 'old')
        write_all(new, settings)
        (new / 'digits.json').write_text(json.dumps(wanted, indent=2))
        with one_at_a_time(out.parent):
            now = read_stamp(out)
            if now == wanted and now != stamp:  # another process made them meanwhile
                return False
            if now and not force:
                raise UserError(f'{out} was made with other settings meanwhile. Name another --out.')
            put_in_place(new, out, old if now else None)
    return True


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line; the options are the fields of :class:`Settings`, --out and --force."""
    parser = ToolParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--out', type=Path, default=Path('data/digits'),
                        help='folder to make (default: data/digits, where the configs look)')
    usual = Settings()
    parser.add_argument('--seed', type=int, default=usual.seed,
                        help='decides the split, the textures, the inks and the scenes (default: %(default)s)')
    parser.add_argument('--scenes-train', type=int, default=usual.scenes_train, metavar='N',
                        help='number of train scenes (default: %(default)s)')
    parser.add_argument('--scenes-val', type=int, default=usual.scenes_val, metavar='N',
                        help='number of val scenes (default: %(default)s)')
    parser.add_argument('--scene-size', type=int, default=usual.scene_size, metavar='PIXELS',
                        help='side of a scene; the digits grow with it (default: %(default)s)')
    parser.add_argument('--force', action='store_true',
                        help='replace data that this script made before; no other folder is touched')
    return parser.parse_args(argv)


@one_line_errors
def main() -> None:
    """Runs the command; a user's mistake ends it with one line and exit code 2."""
    args = parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the temporary folder goes
    settings = Settings(args.seed, args.scenes_train, args.scenes_val, args.scene_size)
    written = convert(args.out, settings, args.force)
    print(f'{args.out}: {"written" if written else "already there"}.')


if __name__ == '__main__':
    main()
