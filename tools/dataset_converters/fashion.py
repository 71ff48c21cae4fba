"""Puts Fashion-MNIST in place for the configs, and makes scenes of it: boxes, masks, labels for each pixel.

The 70,000 photographs of clothing (28x28, grey, ten kinds, MIT licence) come from --data; from Debian's
package dataset-fashion-mnist, if it is installed; or from torchvision's download. Their hashes are checked::

    data/fashion/
    ├── fashion.json                          the settings that made it
    ├── {train,t10k}-{images-idx3,labels-idx1}-ubyte    mmpretrain: FashionMNIST
    └── scenes
        ├── images/{train,val}/scene_<number>.png
        ├── annotations/instances_{train,val}.json      mmdet: CocoDataset
        └── annotations_seg/{train,val}/…               mmseg: BaseSegDataset

A scene has two to eight pieces of clothing, of different sizes and colours, which overlap, on a textured
ground. The train scenes show pieces of the first 55,000 training photographs, the val scenes those of the
last 5,000, which the configs keep for validation: no piece is in both. The test set is in no scene.
Annotations name a photograph's row in the training file as ``fashion_index``.
"""
import argparse
import signal
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from fashion_drawing import FashionCutout, cut_out
from tqdm import tqdm

from mmkd.datasets.fashion_mnist import CLASSES, IMAGES, LABELS, SHA256, damaged_file, fetch_files, read_files, read_idx
from mmkd.datasets.scenes.drawing import Look, draw_scene
from mmkd.datasets.scenes.making import make_folder
from mmkd.datasets.scenes.settings import SceneSettings, add_scene_options, missing_scenes
from mmkd.datasets.scenes.writing import Things, write_scenes
from mmkd.utils.command_line.cli import ToolParser, one_line_errors

FORMAT = 1  # raised whenever the same settings give other files
STAMP = 'fashion.json'
VAL_PART = 12  # one in twelve training photographs is for validation: the last 5,000 of 60,000
LOOK = Look(things=(2, 8), heights=(0.25, 0.45), overlap=0.3, brightness=(0.1, 0.5))


@dataclass(frozen=True)
class Settings(SceneSettings):
    """What decides the files' content: ten times the digits' scenes."""
    scenes_train: int = 4000
    scenes_val: int = 500


def split_rows(count: int) -> dict[str, np.ndarray]:
    """The rows of the training file, for train and for val."""
    border = count - count // VAL_PART
    return dict(train=np.arange(border), val=np.arange(border, count))


def draw_scenes(photos: np.ndarray, rows: np.ndarray, settings: Settings, split: str) -> Iterator[tuple]:
    """Draws one split's scenes; the photographs are named by their rows.

    Args:
        photos: Of the training file, (N, 28, 28).
        rows: The split's.
        settings: How many scenes, and how large.
        split: ``train`` or ``val``.
    """
    def cut(rng: np.random.Generator, row: int, size: float) -> FashionCutout:
        return cut_out(rng, photos[rows[row]], size)

    for number in range(settings.scenes(split)):
        canvas, owner, placed = draw_scene(settings.rng(split, number), settings.scene_size, len(rows), cut, LOOK)
        yield canvas, owner, rows[placed]


def write_all(folder: Path, files: Mapping[str, bytes], settings: Settings) -> None:
    """Writes the files and the scenes, with a progress bar on a terminal."""
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    photos, labels = read_idx(files[IMAGES]), read_idx(files[LABELS])
    things = Things(labels.astype(int), CLASSES, 'fashion_index')
    with tqdm(total=settings.scenes_train + settings.scenes_val, unit='scene', disable=None) as progress:
        for split, rows in split_rows(len(labels)).items():
            scenes = draw_scenes(photos, rows, settings, split)
            for _ in write_scenes(folder / 'scenes', split, scenes, things):
                progress.update()


def convert(out: Path, settings: Settings, data: Path | None = None, force: bool = False,
            known: Mapping[str, str] = SHA256) -> bool:
    """Makes a folder of photographs and scenes, at once.

    Args:
        out: The folder to make.
        settings: What to draw.
        data: The folder with the four files; None for Debian's, or a download.
        force: Whether to replace data that this script made before.
        known: Names and hashes of the files.

    Returns:
        Whether anything was written; not if the same data are there already.

    Raises:
        UserError: A file is missing or damaged, there or in ``out``, or ``out`` holds something else.
    """
    def write(folder: Path) -> None:
        files = fetch_files(known) if data is None else read_files(data.expanduser(), known)
        write_all(folder, files, settings)

    def damage(folder: Path) -> str:
        return damaged_file(folder, known) or missing_scenes(folder / 'scenes', settings)

    wanted = dict(format=FORMAT, **asdict(settings), files=dict(known))
    return make_folder(out, STAMP, wanted, write, force, damage)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = ToolParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_scene_options(parser, Settings(), 'data/fashion', 'the scenes', 'clothes')
    parser.add_argument('--data', type=Path, metavar='FOLDER',
                        help="folder with the four files, packed (.gz) or not (default: that of Debian's package, or a "
                        'download)')
    return parser.parse_args(argv)


@one_line_errors
def main() -> None:
    """Runs the command; a user's mistake ends it with one line and exit code 2."""
    args = parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the temporary folder goes
    written = convert(args.out, Settings.read(args), args.data, args.force)
    print(f'{args.out}: {"written" if written else "already there"}.')


if __name__ == '__main__':
    main()
