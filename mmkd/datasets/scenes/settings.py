"""What decides the scenes that a script draws, and the options that say it."""
import argparse
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from mmkd.utils.errors import UserError

LEAST = dict(seed=0, scenes_train=1, scenes_val=1, scene_size=64)
# Every picture has a random stream of its own, [seed, stream, number]: none depends on another.
STREAMS = dict(image=0, train=1, val=2, split=3, few=4)


@dataclass(frozen=True)
class SceneSettings:
    """What decides the files' content: the options of that name. A script has a class of its own with its defaults.

    Args:
        seed: Decides all that is random.
        scenes_train: The number of train scenes.
        scenes_val: That of val scenes.
        scene_size: Their sides in pixels.

    Raises:
        UserError: One of them is too small.
    """
    seed: int = 0
    scenes_train: int = 400
    scenes_val: int = 80
    scene_size: int = 96

    def __post_init__(self) -> None:
        for name, least in LEAST.items():
            if getattr(self, name) < least:
                option = '--' + name.replace('_', '-')
                raise UserError(f'{option} expects {least} or more, got {getattr(self, name)}.')

    @classmethod
    def read(cls, args: argparse.Namespace) -> 'SceneSettings':
        """Takes what the options of :func:`add_scene_options` say."""
        return cls(*(getattr(args, field.name) for field in fields(cls)))

    def scenes(self, split: str) -> int:
        """The number of scenes of ``train`` or ``val``."""
        return getattr(self, f'scenes_{split}')

    def rng(self, stream: str, number: int = 0) -> np.random.Generator:
        """A random stream for one picture or list."""
        return np.random.default_rng([self.seed, STREAMS[stream], number])


def missing_scenes(folder: Path, settings: SceneSettings) -> str:
    """What is not there of the scenes that were written to a folder; an empty text if nothing is missing.

    Args:
        folder: Of the scenes.
        settings: Those with which they were made.
    """
    for split in ('train', 'val'):
        annotations = folder / f'annotations/instances_{split}.json'
        if not annotations.is_file():
            return f'{annotations} does not exist'
        for pictures in (folder / 'images' / split, folder / 'annotations_seg' / split):
            found = missing_files(pictures, settings.scenes(split))
            if found:
                return found
    return ''


def missing_files(folder: Path, count: int) -> str:
    """Says if a folder has another number of PNG files, at any depth, than were written; else an empty text."""
    found = sum(1 for _ in folder.rglob('*.png'))
    return '' if found == count else f'{folder} expects {count} files, got {found}'


def add_scene_options(parser: argparse.ArgumentParser, usual: SceneSettings, out: str, decides: str,
                      things: str) -> None:
    """Adds the options of :class:`SceneSettings`, --out and --force.

    Args:
        parser: The script's.
        usual: The defaults.
        out: The folder where the configs look.
        decides: What the seed decides, in words.
        things: What grows with a scene.
    """
    parser.add_argument('--out', type=Path, default=Path(out),
                        help=f'folder to make (default: {out}, where the configs look)')
    parser.add_argument('--seed', type=int, default=usual.seed, help=f'decides {decides} (default: %(default)s)')
    parser.add_argument('--scenes-train', type=int, default=usual.scenes_train, metavar='N',
                        help='number of train scenes (default: %(default)s)')
    parser.add_argument('--scenes-val', type=int, default=usual.scenes_val, metavar='N',
                        help='number of val scenes (default: %(default)s)')
    parser.add_argument('--scene-size', type=int, default=usual.scene_size, metavar='PIXELS',
                        help=f'side of a scene; the {things} grow with it (default: %(default)s)')
    parser.add_argument('--force', action='store_true',
                        help='replace data that this script made before; no other folder is touched')
