"""The last stage of a model as a function of the map before it."""
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from mmkd.utils import UserError

from ..taps import named_locations

MapFunction = Callable[[Tensor], Tensor]
SUPPORTED = ('ResNets, ConvNeXts, Swins, plain ViTs (DeiT, BEiT, EVA, too) and MLP-Mixers of mmpretrain; '
             'SLaK, ConvNeSt and CSWin of mmkd; ResNets, ConvNeXts, Swins, ViTs and MLP-Mixers of timm')


def last_stage(model: nn.Module) -> MapFunction:
    """Makes a function that runs a model's last stage on a map.

    Given what the tap of the last stage but one (``stage3`` of four) reads, it returns what the tap of the last stage
    (``stage4``) reads: downsampling before the stage belongs to it, the norm after the network does not.

    Class, distillation and register tokens are no part of a map. The blocks run without them, as in ScaleKD's code
    (Fan et al., 2024), so the function differs from the model's own pass by what the tokens of the image take from
    the class token. Blocks that cannot do without one (relative position biases of BEiT, rotary embeddings of EVA-02
    with a class token) get the mean of the image's tokens in its place.

    Args:
        model: A classifier, or a detector or segmentor with a backbone of a supported family.

    Returns:
        A function from (N, C, H, W) to (N, C', H', W'). It is a plain function, so a deep copy of what holds it
        calls the same model.

    Raises:
        UserError: The model is of no supported family.
    """
    paths = [location.module for name, location in named_locations(model).items() if name.startswith('stage')]
    network = model.get_submodule(paths[0].split('.')[0]) if paths else getattr(model, 'backbone', model)
    build = _builder(network)
    if build is None or len(paths) < 2:
        raise UserError(f'the last stage of a model expects one with two stages or more out of: {SUPPORTED}; got '
                        f'{type(network).__module__}.{type(network).__name__} with {len(paths)}. Take another teacher, '
                        'or a method that does not run its last stage.')
    return build(network, *(path.partition('.')[2] for path in paths[-2:]))


def _builder(network: nn.Module) -> Callable[[Any, str, str], MapFunction] | None:
    if getattr(network, 'res_layers', None):  # also those of mmdet and mmseg
        return _single_module
    names = (f'{cls.__module__.partition(".")[0]}.{cls.__name__}' for cls in type(network).__mro__)
    return next((_BUILDERS[name] for name in names if name in _BUILDERS), None)


def _single_module(network: Any, before: str, last: str) -> MapFunction:
    stage = network.get_submodule(last)
    return lambda maps: stage(maps)


def _downsample_then_stage(network: Any, before: str, last: str) -> MapFunction:
    if len(network.stages) == 1:  # isotropic
        return _map_blocks(network, before, last)
    downsample, stage = network.downsample_layers[-1], network.stages[-1]
    return lambda maps: stage(downsample(maps))


def _channels_last_stage(network: Any, before: str, last: str) -> MapFunction:
    stage = network.get_submodule(last)
    return lambda maps: stage(maps.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def _swin(network: Any, before: str, last: str) -> MapFunction:
    stage, downsample = network.get_submodule(last), None
    if getattr(network, 'out_after_downsample', True) is False:  # V2's stages begin with it themselves
        downsample = network.get_submodule(before).downsample

    def run(maps: Tensor) -> Tensor:
        tokens, size = _tokens(maps), tuple(maps.shape[2:])
        if downsample is not None:
            tokens, size = downsample(tokens, size)
        return _maps(*stage(tokens, size))

    return run


def _map_blocks(network: Any, before: str, last: str) -> MapFunction:
    blocks = _blocks(network, before, last)
    return lambda maps: _chain(blocks, maps)


def _token_blocks(network: Any, before: str, last: str) -> MapFunction:
    return _on_tokens(_blocks(network, before, last))


def _beit(network: Any, before: str, last: str) -> MapFunction:
    blocks, shared = _blocks(network, before, last), network.rel_pos_bias
    relative = shared is not None or any(block.attn.use_rel_pos_bias for block in blocks)
    return _on_tokens(blocks, relative, lambda size: (None if shared is None else shared(),))


def _eva02(network: Any, before: str, last: str) -> MapFunction:
    blocks = _blocks(network, before, last)
    rotary = any(block.attn.rope is not None and block.attn.with_cls_token for block in blocks)
    return _on_tokens(blocks, rotary, lambda size: (size,))


def _on_tokens(blocks: list[nn.Module], stand_in: bool = False,
               arguments: Callable[[tuple[int, int]], tuple] = lambda size: ()) -> MapFunction:
    def run(maps: Tensor) -> Tensor:
        tokens, size = _tokens(maps), tuple(maps.shape[2:])
        if stand_in:
            tokens = torch.cat((tokens.mean(1, keepdim=True), tokens), 1)
        tokens = _chain(blocks, tokens, *arguments(size))
        return _maps(tokens[:, int(stand_in):], size)

    return run


def _blocks(network: Any, before: str, last: str) -> list[nn.Module]:
    """The blocks after the one of the first path, up to that of the second."""
    parent, _, first = before.rpartition('.')
    return list(network.get_submodule(parent))[int(first) + 1:int(last.rpartition('.')[2]) + 1]


def _chain(blocks: Iterable[nn.Module], x: Tensor, *args: object) -> Tensor:
    for block in blocks:
        x = block(x, *args)
    return x


def _tokens(maps: Tensor) -> Tensor:
    return maps.flatten(2).transpose(1, 2)  # (N, H·W, C)


def _maps(tokens: Tensor, size: tuple[int, int]) -> Tensor:
    return tokens.transpose(1, 2).unflatten(2, size)


_BUILDERS: dict[str, Callable[[Any, str, str], MapFunction]] = {
    'mmpretrain.ConvNeXt': _downsample_then_stage,
    'mmkd.HierarchicalConvNet': _downsample_then_stage,
    'mmpretrain.SwinTransformer': _swin,
    'mmpretrain.SwinTransformerV2': _swin,
    'mmpretrain.ViTEVA02': _eva02,
    'mmpretrain.VisionTransformer': _token_blocks,
    'mmpretrain.BEiTViT': _beit,
    'mmpretrain.MlpMixer': _token_blocks,
    'timm.ResNet': _single_module,
    'timm.ConvNeXt': _single_module,
    'timm.SwinTransformer': _channels_last_stage,
    'timm.SwinTransformerV2': _channels_last_stage,
    'timm.VisionTransformer': _token_blocks,
    'timm.MlpMixer': _token_blocks,
}
