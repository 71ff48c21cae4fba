"""Naming the file where an image cannot be loaded."""
from typing import Any

from mmengine.dataset import Compose

from mmkd.utils import UserError

from .survey import leaves


class NamingCompose(Compose):
    """MMEngine's ``Compose``, whose transforms that load say which file they could not."""

    def __call__(self, data: dict) -> dict | None:
        """Applies the transforms in turn; see :class:`mmengine.dataset.Compose`."""
        for transform in self.transforms:
            name = type(transform).__name__
            if not (name.startswith('Load') and isinstance(data, dict)):
                data = transform(data)
            else:
                path = data.get('seg_map_path') if 'Ann' in name and data.get('seg_map_path') else data.get('img_path')
                try:
                    data = transform(data)
                except UserError:
                    raise
                except Exception as error:
                    if path is None:
                        raise
                    raise UserError(_message(path, name, error)) from error
            if data is None:
                return None
        return data


def _message(path: object, transform: str, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return (f'{transform} expects the image {path}, which does not exist. Take it out of the list, or fetch it '
                'again. tools/misc/verify_dataset.py finds all that are missing.')
    reason = ' '.join(str(error).split()) or type(error).__name__
    return (f'{transform} cannot read {path} ({type(error).__name__}: {reason[:200]}). Take it out of the data, or '
            'fetch it again. tools/misc/verify_dataset.py --decode finds all such files.')


def name_broken_images(dataset: Any) -> None:
    """Lets the pipelines inside a data set name a file that they cannot load; they do the same otherwise.

    Args:
        dataset: A data set or a wrapper.
    """
    for leaf in leaves(dataset):
        pipeline = getattr(leaf, 'pipeline', None)
        if type(pipeline) is Compose:
            pipeline.__class__ = NamingCompose
