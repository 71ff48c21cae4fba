"""The 1,000 classes of ImageNet-1K by WordNet id, and the 200 that ImageNet-A and ImageNet-R have."""
import json
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from mmkd.utils import UserError

SUBSETS = {'imagenet-a': 'imagenet_a_synsets.txt', 'imagenet-r': 'imagenet_r_synsets.txt'}


@lru_cache
def class_indices() -> dict[str, int]:
    """WordNet id to class index, 0 to 999; the order is that of the ids."""
    return {name: index for index, name in enumerate(_timm_file('imagenet_synsets.txt').split())}


@lru_cache
def subset_indices(subset: str) -> tuple[int, ...]:
    """The sorted class indices of ``imagenet-a`` or ``imagenet-r``.

    Raises:
        UserError: There is no such subset.
    """
    if subset not in SUBSETS:
        raise UserError(f'a subset of the ImageNet classes expects {", ".join(SUBSETS)}, got {subset!r}.')
    return tuple(sorted(class_indices()[name] for name in _timm_file(SUBSETS[subset]).split()))


@lru_cache
def real_labels() -> list[list[int]]:
    """The ReaL labels of the 50,000 validation images, in the order of their numbers; see :class:`ReaLAccuracy`."""
    return json.loads(_timm_file('imagenet_real_labels.json'))


def _timm_file(name: str) -> str:
    """A file among timm's lists of ImageNet's classes."""
    spec = find_spec('timm')
    path = Path(spec.origin).parent / 'data/_info' / name if spec else None
    if path is None or not path.is_file():
        raise UserError(f"ImageNet's classes expect timm 1.0 or later, which holds {name}. pip install 'timm>=1.0'")
    return path.read_text(encoding='utf-8')
