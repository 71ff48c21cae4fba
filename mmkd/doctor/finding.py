"""What the doctor says of one thing."""
from typing import NamedTuple

OK, WARNING, ERROR = 'ok', 'warning', 'error'


class Finding(NamedTuple):
    """One line of the report.

    Args:
        status: ``'ok'``, ``'warning'`` (some things will not work, or slowly) or ``'error'`` (nothing will).
        what: What was looked at.
        found: What is there.
        mend: What to do; empty if all is well.
    """

    status: str
    what: str
    found: str
    mend: str = ''
