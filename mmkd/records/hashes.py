"""What a cache is told by: hashes of weights and of lists of samples, and settings as plain data."""
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor


def weights_hash(tensors: Mapping[str, Tensor]) -> str:
    """A hash of weights: of their names, types, shapes and values, and not of the file that they came in.

    Args:
        tensors: A state dict.
    """
    digest = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        value = value.detach().cpu().contiguous()
        digest.update(f'{name} {value.dtype} {tuple(value.shape)}\n'.encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def canonical(value: object) -> object:
    """Settings as JSON has them, so that equal ones are equal: tuples are lists, classes and functions their names.

    Args:
        value: A config, or a part of one.
    """
    if isinstance(value, Mapping):
        return {str(key): canonical(item) for key, item in sorted(value.items(), key=lambda pair: str(pair[0]))}
    if isinstance(value, list | tuple | set | frozenset):
        return [canonical(item) for item in value]
    if isinstance(value, np.ndarray | np.generic | Tensor):
        return canonical(value.tolist())
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if np.isfinite(value) else str(value)
    return getattr(value, '__qualname__', None) or f'a {type(value).__qualname__}'


def first_difference(here: object, there: object, name: str) -> str | None:
    """Names the first place where two settings differ; None where they do not.

    Args:
        here: What the cache has.
        there: What is asked for.
        name: What the settings are called.
    """
    if isinstance(here, dict) and isinstance(there, dict):
        for key in sorted({*here, *there}):
            if key not in there or key not in here:
                who, value = ('the cache', here[key]) if key in here else ('the recipe', there[key])
                return f'{name}.{key} is {_short(value)} in {who}, and is not there in the other'
            found = first_difference(here[key], there[key], f'{name}.{key}')
            if found:
                return found
        return None
    if isinstance(here, list) and isinstance(there, list) and len(here) == len(there):
        pairs = enumerate(zip(here, there, strict=True))
        return next(filter(None, (first_difference(*pair, f'{name}[{place}]') for place, pair in pairs)), None)
    if here == there:
        return None
    return f'{name} is {_short(here)} in the cache and {_short(there)} in the recipe'


def _short(value: object, most: int = 120) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= most else f'{text[:most]} …'


def sample_facts(dataset: object) -> dict:
    """The number of a data set's samples, and a hash of their list: paths below the data root, labels, order.

    Args:
        dataset: A data set of OpenMMLab's kind, in whatever wrappers of MMEngine's; of another one only the length
            and the name of its class are known.
    """
    return dict(samples=len(dataset), sample_list=_list_hash(dataset))


def _list_hash(dataset: object) -> str:
    inner, parts = getattr(dataset, 'dataset', None), getattr(dataset, 'datasets', None)
    if parts:
        return _joined('concatenated', *map(_list_hash, parts))
    if inner is not None:
        order = getattr(dataset, 'repeat_indices', getattr(dataset, 'indices', None))  # of balanced classes; a subset
        kind = _joined('order', *map(str, order)) if order is not None else str(getattr(dataset, 'times', ''))
        return _joined(kind or f'{type(dataset).__name__} {len(dataset)}', _list_hash(inner))
    if not hasattr(dataset, 'get_data_info'):
        return _joined(f'{type(dataset).__name__} {len(dataset)}')
    if hasattr(dataset, 'full_init'):
        dataset.full_init()
    roots = _roots(dataset)
    digest = hashlib.sha256(json.dumps(canonical(getattr(dataset, 'metainfo', {}).get('classes'))).encode())
    for index in range(len(dataset)):
        _add_sample(digest, dataset.get_data_info(index), roots)
    return digest.hexdigest()


def _joined(*parts: str) -> str:
    return hashlib.sha256('\n'.join(parts).encode()).hexdigest()


def _roots(dataset: object) -> list[str]:
    """Beginnings of a sample's path that depend on the machine, the longest first."""
    prefix = getattr(dataset, 'data_prefix', None) or {}
    names = [getattr(dataset, 'data_root', None), *(prefix.values() if isinstance(prefix, Mapping) else [prefix])]
    return sorted({f'{Path(name)}/' for name in names if isinstance(name, str) and name}, key=len, reverse=True)


def _add_sample(digest: object, info: Mapping, roots: list[str]) -> None:
    for key in sorted(info):
        value = info[key]
        if key == 'sample_idx':
            continue
        if isinstance(value, np.ndarray):
            digest.update(f'{key} {value.dtype} {value.shape}'.encode())
            digest.update(np.ascontiguousarray(value).data)
            continue
        if isinstance(value, str):
            value = next((value[len(root):] for root in roots if value.startswith(root)), value)
        text = value if isinstance(value, str | int) else json.dumps(canonical(value))
        digest.update(f'{key}={text}\n'.encode())
