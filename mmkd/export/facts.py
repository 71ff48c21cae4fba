"""What a file says of itself: how images go in, and what comes out."""
import json

import mmkd

from .network import RGB
from .sources import Source


def facts_of(source: Source, size: tuple[int, int], inside: bool) -> dict[str, str]:
    """The facts that are kept in an exported file, as texts.

    Args:
        source: The model.
        size: Height and width for which it is exported.
        inside: Whether the exported model normalises its images.

    Returns:
        ``input`` in words; ``channel_order``, ``mean`` and ``std`` in that order; ``size``, ``classes`` (names as
        JSON), ``model`` and ``mmkd_version``.
    """
    form = source.form
    order = RGB if inside and form.channels == 3 else form.order
    words = f'float32 (N, {form.channels}, H, W), {order}, ' + (
        'pixels in 0...255' if inside else '(pixels in 0...255 - mean) / std')
    mean, std = (values if order == form.order else values[::-1] for values in (form.mean, form.std))
    return dict(input=words, channel_order=order, mean=json.dumps(mean), std=json.dumps(std),
                normalise='inside' if inside else 'outside', size=json.dumps(size),
                classes=json.dumps(source.classes, ensure_ascii=False), model=source.name,
                mmkd_version=mmkd.__version__)
