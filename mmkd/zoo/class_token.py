"""Transformers that keep a class token in their files, but do not use it."""
from collections.abc import Collection, Mapping

from torch import Tensor

TOKEN, POSITIONS = 'backbone.cls_token', 'backbone.pos_embed'


def has_unused_token(weights: Mapping[str, Tensor], own_names: Collection[str]) -> bool:
    """Whether weights hold a class token, with its position, that their model has none of.

    ScaleKD's published ViTs do (deep-optimization/ScaleKD, ``mmcls/models/backbones/vision_transformer.py``).

    Args:
        weights: Parameter name to tensor.
        own_names: The parameters of the model.
    """
    return {TOKEN, POSITIONS} <= weights.keys() and POSITIONS in own_names and TOKEN not in own_names


def without_token(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Drops the class token and its position.

    Args:
        weights: Parameter name to tensor, position embeddings as (1, 1 + H·W, C).

    Returns:
        The same without the token, position embeddings as (1, H·W, C).
    """
    kept = {name: tensor for name, tensor in weights.items() if name != TOKEN}
    return kept | {POSITIONS: weights[POSITIONS][:, 1:]}
