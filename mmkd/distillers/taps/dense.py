"""The named places of detectors and segmentors beside their backbones: neck levels, proposals, regions and logits."""
from typing import Any

from torch import nn

from .location import Location

REGIONS = 'roi_head.bbox_roi_extractor'


def dense_locations(model: Any) -> dict[str, Location]:
    """The taps behind a detector's or segmentor's backbone, in the order of the forward pass.

    ``neck1`` … are the levels that the neck returns, the finest first. ``rpn`` is the objectness of a proposal network,
    a map a level; ``roi_features`` are the maps (regions, C, h, w) that a box head gets. ``logits`` are the class map
    of a segmentor's head, or the maps of a detector's dense head or proposal network.

    Args:
        model: The model.
    """
    found = {f'neck{level}': Location('neck', item=level - 1)
             for level in range(1, _levels(getattr(model, 'neck', None)) + 1)}
    if isinstance(getattr(model, 'rpn_head', None), nn.Module):
        found['rpn'] = Location('rpn_head', item=0)
    extractor = getattr(getattr(model, 'roi_head', None), 'bbox_roi_extractor', None)
    if isinstance(extractor, nn.Module) and not isinstance(extractor, nn.ModuleList):  # a cascade's never runs itself
        found['roi_features'] = Location(REGIONS)
    return found | _logits(model)


def _levels(neck: Any) -> int:
    """How many maps a neck returns; 0 where it does not say so."""
    if isinstance(neck, nn.Sequential) and len(neck):
        neck = neck[-1]
    found = getattr(neck, 'num_outs', getattr(neck, 'num_levels', 0))
    return found if isinstance(neck, nn.Module) and isinstance(found, int) else 0


def _logits(model: Any) -> dict[str, Location]:
    if isinstance(getattr(getattr(model, 'decode_head', None), 'conv_seg', None), nn.Module):
        return {'logits': Location('decode_head.conv_seg')}
    for head in ('rpn_head', 'bbox_head'):
        if isinstance(getattr(model, head, None), nn.Module):
            return {'logits': Location(head, item=0)}
    return {}
