"""What a check found."""
import pickle
from collections.abc import Iterable
from dataclasses import dataclass

from mmkd.utils import UserError


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Args:
        level: ``'ok'``, ``'warning'`` or ``'error'``.
        text: In one line, with how to mend it.
    """
    level: str
    text: str


def collected(findings: Iterable[Finding]) -> list[Finding]:
    """All findings of some checks; that a data set of another make cannot be looked at is only a warning."""
    result: list[Finding] = []
    try:
        for finding in findings:
            result.append(finding)
    except UserError as error:
        result.append(Finding('error', str(error)))
    except (AttributeError, IndexError, KeyError, OSError, TypeError, ValueError, pickle.PickleError) as error:
        result.append(Finding('warning', f'the data were not compared to the end ({type(error).__name__}: {error}).'))
    return result
