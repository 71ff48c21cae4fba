"""What the text of a config says of the images, read without running it."""
from collections.abc import Iterator

from mmkd.utils.configs.literal import read_literally

KEYS = 'mean', 'std', 'to_rgb', 'bgr_to_rgb'


def stated_normalisations(text: str) -> list[tuple[str, str]]:
    """Every mean, deviation and order of channels that stands in a ``data_preprocessor``, in the order of the text.

    Args:
        text: Of a config, as MMEngine writes it.

    Returns:
        Pairs of key and value; none of a text that is no Python.
    """
    return [(key, repr(stated[key])) for stated in _preprocessors(read_literally(text))
            for key in KEYS if key in stated]


def _preprocessors(value: object) -> Iterator[dict]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == 'data_preprocessor' and isinstance(inner, dict):
                yield inner
            yield from _preprocessors(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _preprocessors(inner)
