"""Images without classes, in any folders."""
from collections.abc import Sequence
from typing import Any

from mmpretrain.datasets import CustomDataset

from mmkd.datasets.junk import in_junk
from mmkd.registry import DATASETS

EXTENSIONS = ('.jpg', '.jpeg', '.png', '.ppm', '.bmp', '.pgm', '.tif', '.tiff', '.webp')


@DATASETS.register_module()
class UnlabelledImages(CustomDataset):
    """All images below a folder, whatever folders they are in, without classes and labels.

    It is mmpretrain's ``CustomDataset(with_label=False)``, but for hidden files and folders, and those that systems
    leave (``@eaDir``, ``__MACOSX``), which are left out; and it knows two suffixes more. The order is that of the
    paths.

    Args:
        data_root: The folder.
        data_prefix: A folder below it.
        ann_file: A list of paths to take instead, one a line.
        extensions: Suffixes of images, in any case.
        **kwargs: As of ``CustomDataset``; above all ``pipeline``.
    """

    def __init__(self, data_root: str = '', data_prefix: str | dict = '', ann_file: str = '',
                 extensions: Sequence[str] = EXTENSIONS, **kwargs: Any) -> None:
        super().__init__(data_root=data_root, data_prefix=data_prefix, ann_file=ann_file, with_label=False,
                         extensions=extensions, **kwargs)

    def is_valid_file(self, filename: str) -> bool:
        """Whether a path below the folder is that of an image."""
        return super().is_valid_file(filename) and not in_junk(filename.replace('\\', '/'))
