"""Test sets that are labelled with ImageNet-1K's classes."""
from collections.abc import Sequence
from typing import Any

from mmengine.fileio import get_file_backend
from mmpretrain.datasets import CustomDataset
from mmpretrain.datasets.categories import IMAGENET_CATEGORIES
from mmpretrain.datasets.custom import find_folders, get_samples

from mmkd.registry import DATASETS
from mmkd.utils import UserError, nearest

from .imagenet_classes import class_indices

CORRUPTIONS = ('gaussian_noise', 'shot_noise', 'impulse_noise', 'defocus_blur', 'glass_blur', 'motion_blur',
               'zoom_blur', 'snow', 'frost', 'fog', 'brightness', 'contrast', 'elastic_transform', 'pixelate',
               'jpeg_compression')
EXTRA_CORRUPTIONS = ('speckle_noise', 'gaussian_blur', 'spatter', 'saturate')
SEVERITIES = (1, 2, 3, 4, 5)


@DATASETS.register_module()
class ImageNetVariant(CustomDataset):
    """Images in one folder a class, where the folder's name decides the class among ImageNet-1K's 1,000.

    The names are WordNet ids (ImageNet-A, -R, -Sketch) or class indices (ImageNet-V2: ``0`` to ``999``, which would
    be mixed up if they were sorted as text). Not all classes need to be there.

    Args:
        data_root: The folder that holds the classes' folders; ``archive://…`` too.
        kwargs: Those of mmpretrain's ``CustomDataset``.

    Raises:
        UserError: The folder is missing or has no images, or a folder in it is no class.
    """

    METAINFO = {'classes': IMAGENET_CATEGORIES}

    def __init__(self, data_root: str, **kwargs: Any) -> None:
        super().__init__(data_root=data_root, **kwargs)

    def _find_samples(self) -> list[tuple[str, int]]:
        samples = self._samples_in(self.img_prefix)
        if not samples:
            folder = self.img_prefix.rstrip('/')
            raise UserError(f'{type(self).__name__} expects images in {folder}/CLASS/, found none. '
                            'See docs/prepare_data.md.')
        return samples

    def _samples_in(self, folder: str) -> list[tuple[str, int]]:
        """Paths below the folder, each with its class index."""
        backend = get_file_backend(folder, enable_singleton=True)
        if not backend.isdir(folder):
            raise UserError(f'{type(self).__name__} expects the folder {folder.rstrip("/")}, which does not exist. '
                            'See docs/prepare_data.md, or set data_root.')
        names, _ = find_folders(folder, backend)
        indices = {name: class_index(name, folder) for name in names}
        return get_samples(folder, indices, self.is_valid_file, backend)[0]


@DATASETS.register_module()
class ImageNetC(ImageNetVariant):
    """ImageNet-C: the validation images in 15 corruptions of 5 severities, ``CORRUPTION/SEVERITY/CLASS/*.JPEG``.

    Source: Hendrycks and Dietterich, Benchmarking Neural Network Robustness to Common Corruptions and Perturbations,
    2019, arXiv 1903.12261.

    Args:
        data_root: The folder that holds the corruptions' folders; ``archive://…`` too.
        corruptions: Which of them; the 15 that count for the mCE if left out. There are four extra ones.
        severities: Which of 1 to 5.
        kwargs: Those of mmpretrain's ``CustomDataset``.

    Raises:
        UserError: A corruption or severity is unknown, or its folder is missing.
    """

    def __init__(self, data_root: str, corruptions: Sequence[str] = CORRUPTIONS,
                 severities: Sequence[int] = SEVERITIES, **kwargs: Any) -> None:
        known = CORRUPTIONS + EXTRA_CORRUPTIONS
        for name in corruptions:
            if name not in known:
                raise UserError(f'ImageNetC has no corruption {name!r}. {nearest(name, known)}')
        if not set(severities) <= set(SEVERITIES):
            raise UserError(f'ImageNetC expects severities from 1 to 5, got {list(severities)}.')
        self.corruptions, self.severities = tuple(corruptions), tuple(severities)
        super().__init__(data_root=data_root, **kwargs)

    def _find_samples(self) -> list[tuple[str, int]]:
        samples = []
        for corruption in self.corruptions:
            for severity in self.severities:
                part = f'{corruption}/{severity}'
                folder = get_file_backend(self.img_prefix, enable_singleton=True).join_path(self.img_prefix, part)
                samples += [(f'{part}/{path}', label) for path, label in self._samples_in(folder)]
        return samples


def class_index(folder: str, where: str) -> int:
    """The class that a folder's name stands for.

    Raises:
        UserError: The name is neither a WordNet id of ImageNet-1K nor a number from 0 to 999.
    """
    if folder in class_indices():
        return class_indices()[folder]
    if folder.isascii() and folder.isdigit() and int(folder) < len(class_indices()):
        return int(folder)
    raise UserError(f'{where} expects one folder a class, named by WordNet id (n01440764) or class index (0 to 999), '
                    f'got {folder!r}. Set data_root to the folder that holds them.')
