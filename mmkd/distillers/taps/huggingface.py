"""The named places of Hugging Face's vision models."""
from dataclasses import replace
from typing import Any

from torch import nn

from .location import Location
from .stages import by_resolution, last_linear

CLASSIFIERS = ('classifier', 'cls_classifier')


def is_huggingface(model: object) -> bool:
    """Whether a module is a model of ``transformers``; the package is not imported to tell."""
    return isinstance(model, nn.Module) and hasattr(model, 'base_model_prefix') and hasattr(model, 'config')


def huggingface_locations(model: nn.Module, root: str, pooled: str | None) -> dict[str, Location]:
    """The taps with a name of their own of a vision model of Hugging Face's.

    Args:
        model: The model, as ``transformers`` builds it.
        root: The path to it.
        pooled: The path of a module that gives what is pooled, if there is one.

    Returns:
        ``stage1`` … as maps, ``patches``, ``pre_logits``, and ``logits`` where it has a classifier.
    """
    form = Location('', as_map=True, prefix_tokens=prefix_tokens(model))
    paths = _stages(model)
    locations = {f'stage{i}': replace(form, module=_join(root, path)) for i, path in enumerate(paths, start=1)}
    base = next((path for path, module in model.named_modules() if module is _base(model)), '')
    locations['patches'] = replace(form, module=_join(root, base), item=0, prefix_tokens=_tokens_of_output(model))
    heads = [name for name in CLASSIFIERS if isinstance(getattr(model, name, None), nn.Module)]
    if not heads:
        return locations | ({'pre_logits': Location(pooled)} if pooled is not None else {})
    inner = last_linear(getattr(model, heads[0]))
    if inner is not None:
        locations['pre_logits'] = Location(_join(root, heads[0], inner), reads_input=True)
    return locations | {'logits': Location(root, is_logits=True)}


def prefix_tokens(model: nn.Module) -> int:
    """How many tokens come before those of the image: class and distillation tokens, and registers."""
    counts = dict(cls_token=1, class_embedding=1, distillation_token=1)
    found = {name: value for name, value in model.named_parameters() if not name.startswith('text_model.')}
    single = sum(counts.get(name.rpartition('.')[2], 0) for name in found)
    return single + sum(value.shape[1] for name, value in found.items() if name.endswith('register_tokens'))


def _tokens_of_output(model: Any) -> int:
    """DINOv3's ConvNeXt returns its pooled map as a first token, and the map as tokens."""
    return 1 if model.config.model_type == 'dinov3_convnext' else prefix_tokens(model)


def _base(model: Any) -> nn.Module:
    """The part that returns the last map or tokens: what a classifier stands on, or all of the model."""
    has_head = any(hasattr(model, name) for name in CLASSIFIERS)
    inner = getattr(model, 'vision_model', None) or getattr(model, model.base_model_prefix, None)
    return inner if has_head and isinstance(inner, nn.Module) else model


def _stages(model: nn.Module) -> list[str]:
    """The modules that end the stages, by the lists that hold their blocks."""
    lists = {path: module for path, module in model.named_modules() if isinstance(module, nn.ModuleList)
             and len(module) and not path.startswith('text_model.')}
    for path, blocks in lists.items():
        if path.rpartition('.')[2] == 'stages':
            return [f'{path}.{i}' for i in range(len(blocks))]
    for path, blocks in lists.items():
        if all(isinstance(getattr(block, 'blocks', None), nn.ModuleList) for block in blocks):  # Swin
            return [f'{path}.{i}.blocks.{len(block.blocks) - 1}' for i, block in enumerate(blocks)]
    for path, blocks in lists.items():
        if path.rpartition('.')[2] in ('layer', 'layers'):
            return by_resolution({f'{path}.{i}': block for i, block in enumerate(blocks)})
    return []


def _join(*parts: str) -> str:
    return '.'.join(part for part in parts if part)
