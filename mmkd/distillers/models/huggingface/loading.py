"""Building a Hugging Face model with all of its weights, or an error that names those which are not there."""
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.utils import digit_version
from torch import nn

from mmkd.utils import UserError
from mmkd.utils.checkpoints.reading import few_names
from mmkd.zoo.hub import hub_errors

from .files import KINDS, TOWERS, model_config, transformers, where

HEADS = ('classifier.', 'cls_classifier.', 'distillation_classifier.')
HARMLESS = ('mask_token', 'position_ids')  # for training on masked images; computed


def build(name: str, revision: str | None, pretrained: bool, num_classes: int | None) -> nn.Module:
    """Builds a model by its name on the hub or its folder.

    Args:
        name: ``ORG/NAME``, or a folder that ``save_pretrained`` has written.
        revision: Branch, tag or commit.
        pretrained: Whether to load its weights; else they are random.
        num_classes: Classes of a new classifier, or None to take the model as it is.

    Returns:
        The model, in fp32.

    Raises:
        UserError: It cannot be had, is no vision model, or some of its weights are missing, or more than it has.
    """
    config = model_config(name, revision)
    kind = _class_of(name, config, num_classes)
    options = {} if num_classes is None else dict(num_labels=num_classes)
    if options:
        config.num_labels = num_classes
    if kind.config_class is not type(config):  # of two towers
        config = config.vision_config
        config._attn_implementation = None
    _set_fp32(config)
    if not pretrained:
        return _ready(kind._from_config(config))
    with _quiet(), hub_errors(f'hf model {name!r}'):
        model, info = kind.from_pretrained(**where(name, revision), config=config, use_safetensors=True,
                                           output_loading_info=True, ignore_mismatched_sizes=True)  # _check names them
    _check(model, info, f'hf model {name!r} as {kind.__name__}', new_head=bool(options))
    return _ready(model)


def _set_fp32(config: Any) -> None:
    """Has a model built in fp32, though its file may be in bf16: what it computes itself is then not rounded."""
    name = 'dtype' if digit_version(transformers().__version__) >= digit_version('4.56') else 'torch_dtype'
    setattr(config, name, torch.float32)


def _ready(model: nn.Module) -> nn.Module:
    """A model in fp32, whose trainable parameters all get a gradient."""
    for name, parameter in model.named_parameters():
        if name.rpartition('.')[2] == 'mask_token':  # which only training on masked images uses
            parameter.requires_grad_(False)
    return model.float()


def _class_of(name: str, config: Any, num_classes: int | None) -> type[nn.Module]:
    """The class whose weights a repository has; with ``num_classes``, the one with a classifier."""
    package, stem = transformers(), KINDS[config.model_type]
    stated = (getattr(config, 'architectures', None) or [''])[0]
    if num_classes is None and 'ForImageClassification' not in stated:
        return getattr(package, f'{stem}VisionModel' if stem in TOWERS else f'{stem}Model')
    wanted = stated if 'ForImageClassification' in stated else f'{stem}ForImageClassification'
    found = getattr(package, wanted, None) if wanted.startswith(stem) else None
    if found is None or found.config_class is not type(config):
        raise UserError(f'hf model {name!r} expects no num_classes, as transformers has no classifier for '
                        f'{config.model_type!r}. Leave num_classes out and use taps other than logits.')
    return found


def _check(model: nn.Module, info: dict[str, Any], what: str, new_head: bool) -> None:
    """Logs how many tensors matched.

    Raises:
        UserError: Tensors of the model are not in the file, but for a new classifier; or the file has a deeper model.
    """
    shapes = [item[0] if isinstance(item, tuple | list) else item for item in info.get('mismatched_keys') or ()]
    missing = sorted({*info['missing_keys'], *shapes})
    unexpected = sorted(info['unexpected_keys'])
    new = [key for key in missing if new_head and key.startswith(HEADS)]
    lacking = [key for key in missing if key not in new]
    if lacking and all(key.startswith('pooler.') for key in lacking) and hasattr(model, 'pooler'):
        model.pooler, lacking = None, []  # pre-trained without: the class token itself is what is pooled
        print_log(f'{what}: the file has no pooler, so the class token is taken as it is.', logger='current')
    own = model.state_dict()
    report = f'{what}: {len(own) - len(new) - len(lacking)} of {len(own)} tensors matched'
    deeper = [key for key in unexpected if _belongs(model, key)]
    problems = [f'{word} {few_names(keys)}' for word, keys in (('missing', lacking), ('unexpected', deeper)) if keys]
    if problems:
        raise UserError(f'{report}; {"; ".join(problems)}. transformers would make up what is missing: take a model '
                        'that has it, or give num_classes for a new classifier.')
    report += f'; a new head: {few_names(new)}' if new else ''
    report += f'; left out: {few_names(unexpected)}' if unexpected else ''
    print_log(f'{report}.', logger='current')


def _belongs(model: nn.Module, key: str) -> bool:
    """Whether a name that the model has not is of a part that it has, and so of a larger model of its kind."""
    if key.rpartition('.')[2] in HARMLESS:
        return False
    base = getattr(model, 'base_model_prefix', '')
    inner = getattr(model, base, None)
    parts = [name for name, _ in model.named_children() if name != base]
    parts += [name for name, _ in inner.named_children()] if isinstance(inner, nn.Module) else []
    return key.removeprefix(f'{base}.').partition('.')[0] in parts


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps transformers' own report and bars away, and its asking a service to convert pickles."""
    logging, before = transformers().utils.logging, os.environ.get('DISABLE_SAFETENSORS_CONVERSION')
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    os.environ['DISABLE_SAFETENSORS_CONVERSION'] = '1'
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
        if before is None:
            del os.environ['DISABLE_SAFETENSORS_CONVERSION']
        else:
            os.environ['DISABLE_SAFETENSORS_CONVERSION'] = before
