"""What a check found."""
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Args:
        level: ``'ok'``, ``'warning'`` or ``'error'``.
        text: In one line, with how to mend it.
    """
    level: str
    text: str
