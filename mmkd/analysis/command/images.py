"""Where images come from: any folder, or the validation set of a config."""
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config, ConfigDict
from mmengine.registry import DATASETS, TRANSFORMS
from PIL import Image

from mmkd.datasets.configured import check_data_exists, dataset_of, gives_rgb, validation_split
from mmkd.datasets.junk import is_junk
from mmkd.datasets.pil_images import as_loaded
from mmkd.datasets.verification.images import UNREADABLE
from mmkd.utils import UserError
from mmkd.utils.building.build import type_name
from mmkd.utils.configs.finding import load_config

SUFFIXES = frozenset(('.jpg', '.jpeg', '.png', '.bmp', '.ppm', '.pgm', '.tif', '.tiff', '.webp'))


class ImageSource(ABC):
    """Images that can be read one by one.

    Args:
        name: What it is called in reports.
        labels: The class of each image; None where the images have no classes.
    """

    def __init__(self, name: str, labels: list[int] | None, classes: tuple[str, ...] = ()) -> None:
        self.name = name
        self.labels = labels
        self.classes = classes

    @abstractmethod
    def __len__(self) -> int:
        """The number of images."""

    @abstractmethod
    def describe(self, index: int) -> str:
        """What an image is called in messages."""

    @abstractmethod
    def read(self, index: int) -> np.ndarray:
        """An image as RGB, (H, W, 3), uint8.

        Raises:
            OSError: It cannot be read.
        """


class ImageFolder(ImageSource):
    """All images below a folder; its subfolders are the classes, in the order of their names.

    Args:
        folder: The folder. If images lie in it directly, nothing in it has a class.

    Raises:
        UserError: There is no such folder, or no image in it.
    """

    def __init__(self, folder: str | Path) -> None:
        folder = Path(folder)
        if not folder.is_dir():
            raise UserError(f'--images expects a folder or a config, got {folder}, which is no folder. Check the path.')
        self.paths = sorted(path for path in folder.rglob('*') if path.suffix.lower() in SUFFIXES and path.is_file()
                            and not any(map(is_junk, path.relative_to(folder).parts)))
        if not self.paths:
            raise UserError(f'--images expects images ({", ".join(sorted(SUFFIXES))}) below {folder}, found none. '
                            'Check the path.')
        first = [path.relative_to(folder).parts[0] for path in self.paths]
        flat = any(path.parent == folder for path in self.paths)
        classes = () if flat else tuple(sorted(set(first)))
        place = {name: number for number, name in enumerate(classes)}
        super().__init__(str(folder), None if flat else [place[name] for name in first], classes)

    def __len__(self) -> int:
        """The number of images."""
        return len(self.paths)

    def describe(self, index: int) -> str:
        """The path of an image."""
        return str(self.paths[index])

    def read(self, index: int) -> np.ndarray:
        """See :class:`ImageSource`."""
        try:
            with Image.open(self.paths[index]) as image:
                return np.asarray(as_loaded(image))
        except UNREADABLE as error:
            raise OSError(str(error)) from error


class ValidationImages(ImageSource):
    """The images of a config's validation set, as its pipeline loads them and before it changes them.

    Args:
        config: A config with ``val_dataloader``, or else ``test_dataloader``.
        name: What it is called in reports.

    Raises:
        UserError: It has none, or its files are missing.
    """

    def __init__(self, config: Config, name: str) -> None:
        split = validation_split(config)
        if split is None:
            raise UserError(f'{name} expects a val_dataloader, has none. Give a folder of images by --images.')
        check_data_exists(config, (split, ), 'give a folder of images by --images')
        cfg = dataset_of(config, split)
        cfg['_scope_'] = config.get('default_scope') or 'mmpretrain'
        steps = [step for step in cfg.get('pipeline', []) if type_name(step).startswith('LoadImage')]
        self._load = [TRANSFORMS.build(ConfigDict(step, _scope_=cfg['_scope_'])) for step in steps[:1]]
        self._rgb = gives_rgb(config, split)
        self._set: Any = DATASETS.build(ConfigDict(cfg | dict(pipeline=[])))
        if not len(self._set):
            raise UserError(f'{name} expects validation images, its data set has none. Check its paths.')
        first = self._set.get_data_info(0).get('gt_label')
        labels = [int(self._set.get_data_info(index)['gt_label']) for index in range(len(self._set))
                  ] if np.ndim(first) == 0 and first is not None else None
        classes = tuple(self._set.metainfo.get('classes') or ())
        super().__init__(f'the validation set of {name}', labels, classes)

    def __len__(self) -> int:
        """The number of images."""
        return len(self._set)

    def describe(self, index: int) -> str:
        """The path of an image, or its number."""
        return str(self._set.get_data_info(index).get('img_path', f'image {index} of {self.name}'))

    def read(self, index: int) -> np.ndarray:
        """See :class:`ImageSource`."""
        info = self._set.get_data_info(index)
        try:
            for step in self._load:
                info = step(info)
        except Exception as error:  # OpenCV's, the backends', and those of archives
            raise OSError(' '.join(str(error).split()) or type(error).__name__) from error
        image = None if info is None else info.get('img')
        if image is None:
            raise OSError('no image in it')
        image = np.asarray(image)
        if image.ndim == 2 or image.shape[2] == 1:  # grey
            return np.repeat(image.reshape(*image.shape[:2], 1), 3, axis=2)
        return np.ascontiguousarray(image[..., :3] if self._rgb else image[..., 2::-1])


def find_images(where: str | None, configs: list[tuple[str, Config | None]]) -> ImageSource:
    """Finds the images that a command asks for.

    Args:
        where: A folder, or a config whose validation set is meant; None takes that of the first config that has one.
        configs: Name and config of each model.

    Raises:
        UserError: There are no images.
    """
    if where is not None and (where.endswith('.py') or '::' in where):
        return ValidationImages(load_config(where), where)
    if where is not None:
        return ImageFolder(where)
    found = next(((name, config) for name, config in configs
                  if config is not None and validation_split(config) is not None), None)
    if found is None:
        raise UserError('no model has a config with validation images. Give a folder of images, or a config that has '
                        'some, by --images.')
    return ValidationImages(found[1], found[0])
