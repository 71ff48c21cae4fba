"""The data preprocessor of a call: what the data's config states of it, what the student wants, what a method mixes."""
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config, ConfigDict

from mmkd.utils.building.build import type_name

from .methods import Method
from .models import Known
from .sources import Source

KIND = 'ClsDataPreprocessor'


def preprocessor_of(source: Source, student: Known, method: Method) -> dict[str, Any]:
    """The data preprocessor of a classifier.

    Args:
        source: The data. What their config states counts.
        student: Its own normalisation counts where nothing is stated.
        method: Mixes batches, or takes labels in another form.
    """
    stated = ConfigDict((source.config or {}).get('data_preprocessor') or {}).to_dict()
    found = dict(type=f'mmpretrain.{KIND}') | stated
    if found.get('mean') is None and type_name(found) == KIND and not _is_normalised(source.config):
        found |= student.normalisation or {}
    classes = len(source.classes) if source.config is None else student.classes
    if classes:
        found.setdefault('num_classes', classes)
    if method.sigmoid:
        found['to_onehot'] = True
    if method.augments:
        found['batch_augments'] = method.augments
    return found


def _is_normalised(config: Config | None) -> bool:
    """Whether a pipeline of a config's training data normalises the images."""
    return config is not None and any(str(step.get('type')).rpartition('/')[2] == 'Normalize'  # torchvision/Normalize
                                      for step in _dicts_in(config.train_dataloader))


def _dicts_in(value: Any) -> Iterator[Mapping]:
    if isinstance(value, Mapping):
        yield value
    for inner in value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ():
        yield from _dicts_in(inner)
