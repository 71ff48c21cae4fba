"""Where a tap reads."""
from dataclasses import dataclass


@dataclass(frozen=True)
class Location:
    """Where a tap reads.

    Args:
        module: Dotted path of the module.
        reads_input: Whether its input is read, and not its output.
        every_run: Whether all runs in a forward pass are read, and not the last one only.
        as_map: Whether what is read is brought into the form (N, C, H, W).
        prefix_tokens: How many class, distillation and register tokens come before those of the image.
        channels_last: Whether the module returns maps (N, H, W, C).
        item: Which item of the module's output is read, if not all of it.
        is_logits: Whether the logits are looked for in what the module returns, which may be a tuple or a dict.
    """
    module: str
    reads_input: bool = False
    every_run: bool = False
    as_map: bool = False
    prefix_tokens: int = 0
    channels_last: bool = False
    item: int | None = None
    is_logits: bool = False
