"""Whether the user said that files may run code: what ``--trust-checkpoint`` sets, for all readers of a process."""

_trusted = False


def is_trusted() -> bool:
    """Whether files may run code in this process."""
    return _trusted


def set_trust(trust: bool) -> None:
    """Sets what every reader of this process does unless it is told.

    Args:
        trust: Whether files may run code.
    """
    global _trusted
    _trusted = trust
