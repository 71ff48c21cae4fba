"""The authors' names of CSWin's parameters become those of an mmpretrain classifier."""
import pytest
import torch
from mmpretrain.registry import MODELS

from mmkd.utils import UserError
from mmkd.utils.configs.finding import load_config
from mmkd.zoo.converters.cswin import convert, matches

DEPTHS = (1, 2, 21, 1)


def their_state_dict(width: int = 64) -> dict[str, torch.Tensor]:
    """Tensors with the authors' names and shapes for CSWin-T."""
    state = {}

    def add(name: str, *shape: int) -> None:
        state[f'{name}.weight'], state[f'{name}.bias'] = torch.randn(*shape), torch.randn(shape[0])

    add('stage1_conv_embed.0', width, 3, 7, 7)
    add('stage1_conv_embed.2', width)
    for stage, depth in enumerate(DEPTHS, start=1):
        for block in range(depth):
            name = f'stage{stage}.{block}'
            add(f'{name}.qkv', 3 * width, width)
            add(f'{name}.norm1', width)
            add(f'{name}.proj', width, width)
            directions = 1 if stage == len(DEPTHS) else 2
            for direction in range(directions):
                add(f'{name}.attns.{direction}.get_v', width // directions, 1, 3, 3)
            add(f'{name}.mlp.fc1', 4 * width, width)
            add(f'{name}.mlp.fc2', width, 4 * width)
            add(f'{name}.norm2', width)
        if stage < len(DEPTHS):
            add(f'merge{stage}.conv', 2 * width, width, 3, 3)
            width *= 2
            add(f'merge{stage}.norm', width)
    add('norm', width)
    add('head', 1000, width)
    return state


def test_converted_weights_load_strictly():
    theirs = their_state_dict()
    assert matches(theirs)
    converted = convert(theirs)
    model = MODELS.build(load_config('cswin/cswin-tiny_8xb256_in1k.py').model)
    model.load_state_dict(converted, strict=True)
    assert len(converted) == len(theirs)
    position_conv = converted['backbone.stages.2.20.attention.position_convs.1.weight']
    assert position_conv is theirs['stage3.20.attns.1.get_v.weight']
    assert converted['backbone.downsample_layers.3.1.bias'] is theirs['merge3.norm.bias']
    assert converted['backbone.norm3.weight'] is theirs['norm.weight']
    assert converted['head.fc.bias'] is theirs['head.bias']


def test_a_head_is_not_needed():
    theirs = {name: value for name, value in their_state_dict().items() if not name.startswith('head')}
    assert matches(theirs) and all(name.startswith('backbone.') for name in convert(theirs))


def test_names_of_others():
    theirs = their_state_dict()
    assert not matches(convert(theirs)) and not matches({'stages.0.blocks.0.attn.qkv.weight': torch.ones(1)})
    for name in ('stage1.0.attn.qkv.weight', 'patch_embed.proj.weight', 'decode_head.conv_seg.weight', 'norm'):
        with pytest.raises(UserError, match=f"CSWin-Transformer, got '{name}'"):
            convert(theirs | {name: torch.ones(1)})
