"""The named places of a module that is no OpenMMLab model: torchvision's and timm's networks, and any other."""
from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor, nn

from mmkd.utils import UserError

from .huggingface import huggingface_locations, is_huggingface
from .location import Location
from .stages import backbone_stages, by_resolution, last_linear, patches_of, timm_classifier, timm_stages, token_form


def plain_locations(model: nn.Module) -> dict[str, Location]:
    """The taps with a name of their own of a plain module.

    Args:
        model: The module.

    Returns:
        ``stage1`` … where its kind is known, ``patches`` of vision transformers, ``pre_logits`` where it ends with a
        linear layer, ``logits``, and ``output``, which is all that it returns.
    """
    if is_huggingface(model):
        own = huggingface_locations(model, '', None)
        return own | {'logits': Location('', is_logits=True), 'output': Location('')}
    paths, form = _stages(model)
    locations = {f'stage{i}': replace(form, module=path) for i, path in enumerate(paths, start=1)}
    if hasattr(model, 'get_classifier'):
        locations |= patches_of(model)
    elif form.prefix_tokens and isinstance(getattr(getattr(model, 'encoder', None), 'ln', None), nn.Module):
        locations['patches'] = replace(form, module='encoder.ln')
    classifier = _classifier(model)
    if classifier:
        locations['pre_logits'] = Location(classifier, reads_input=True)
    return locations | {'logits': Location('', is_logits=True), 'output': Location('')}


def logits_in(model: nn.Module, outputs: object) -> Tensor:
    """The logits in what a plain module returns: the tensor itself, the entry ``logits``, or the first tensor.

    Raises:
        UserError: There is no tensor in it.
    """
    found = outputs
    if isinstance(outputs, Mapping):
        found = next((outputs[key] for key in ('logits', 'out') if key in outputs), next(iter(outputs.values()), None))
    elif isinstance(outputs, tuple | list) and outputs:
        found = outputs[0]
    if not isinstance(found, Tensor):
        inner = f' of {", ".join(map(str, outputs))}' if isinstance(outputs, Mapping) else ''
        raise UserError(f'a {type(model).__name__} expects a forward pass that returns a tensor, or a tuple, list or '
                        f'dict of tensors, got a {type(outputs).__name__}{inner}. Wrap it in a module that does.')
    return found


def _stages(model: nn.Module) -> tuple[list[str], Location]:
    """The modules that end the stages, and how their outputs become maps."""
    if hasattr(model, 'get_classifier'):
        return timm_stages(model), token_form(model)
    if isinstance(getattr(model, 'layer1', None), nn.Module):  # ResNets of torchvision and of most who write their own
        names = [name for name, _ in model.named_children() if name.startswith('layer') and name[5:].isdigit()]
        return names, Location('')
    if isinstance(getattr(model, 'trunk_output', None), nn.Sequential):  # RegNets
        return [f'trunk_output.{name}' for name, _ in model.trunk_output.named_children()], Location('')
    blocks = getattr(getattr(model, 'encoder', None), 'layers', None)
    if hasattr(model, 'class_token') and isinstance(blocks, nn.Sequential):  # vision transformers
        named = {f'encoder.layers.{name}': block for name, block in blocks.named_children()}
        return by_resolution(named), Location('', as_map=True, prefix_tokens=1)
    features = getattr(model, 'features', None)
    if type(model).__module__.startswith('torchvision.') and isinstance(features, nn.Sequential):
        return _of_features(model, features)
    return backbone_stages(model), token_form(model)


def _of_features(model: nn.Module, features: nn.Sequential) -> tuple[list[str], Location]:
    """EfficientNets, MobileNets, ConvNeXts and Swins; VGGs and others, of bare convolutions, have no blocks."""
    if type(model).__name__ == 'SwinTransformer':
        return [f'features.{i}' for i in range(1, len(features), 2)], Location('', as_map=True, channels_last=True)
    if any(isinstance(layer, nn.Conv2d) for layer in features):
        return [], Location('')
    blocks = {f'features.{name}': layer for name, layer in features.named_children()
              if not any(kind.__name__ == 'ConvNormActivation' for kind in type(layer).__mro__)}
    return by_resolution(blocks), Location('')


def _classifier(model: nn.Module) -> str | None:
    """A linear layer with which the module ends, as far as the order of its parts tells."""
    if hasattr(model, 'get_classifier'):
        return timm_classifier(model)
    layers = [module for module in model.modules() if next(module.parameters(recurse=False), None) is not None]
    return last_linear(model) if layers and isinstance(layers[-1], nn.Linear) else None
