"""Whether an exported model computes what the model did."""
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmkd.utils import UserError

LIMIT = 1e-4  # of max|a - b| / max|b|


@dataclass(frozen=True)
class Difference:
    """How far the outputs of two models are apart.

    Args:
        absolute: The largest difference.
        relative: The largest of max|a - b| / max|b|, an output and a batch each.
        agreement: The share of pictures with the same highest logit; None where there are no logits.
        pictures: How many pictures were compared.
    """
    absolute: float
    relative: float
    agreement: float | None
    pictures: int

    def __str__(self) -> str:
        agreed = '' if self.agreement is None else f', top-1 agreement {self.agreement:.1%}'
        return (f'largest difference {self.absolute:.2e}, relative {self.relative:.2e}{agreed} '
                f'({self.pictures} pictures)')


def compare_outputs(got: Sequence[np.ndarray], expected: Sequence[np.ndarray], logits: bool) -> Difference:
    """Compares the outputs for one batch.

    Args:
        got: Of the exported model.
        expected: Of the model.
        logits: Whether the first output has a row of logits for each picture.

    Raises:
        UserError: The numbers or shapes of outputs differ, or there are NaN or infinite values among them.
    """
    if [each.shape for each in got] != [each.shape for each in expected]:
        raise UserError(f'the exported model expects outputs {[each.shape for each in expected]}, as the model has, '
                        f'got {[each.shape for each in got]}.')
    check_finite('the exported model', got)
    absolutes = [float(np.abs(a - b).max()) for a, b in zip(got, expected, strict=True)]
    scales = [float(np.abs(b).max()) for b in expected]
    relatives = [one / scale if scale else float(one > 0) for one, scale in zip(absolutes, scales, strict=True)]
    agreement = float((got[0].argmax(1) == expected[0].argmax(1)).mean()) if logits else None
    return Difference(max(absolutes), max(relatives), agreement, len(expected[0]))


def worst(found: Sequence[Difference]) -> Difference:
    """The largest differences of several batches, and the agreement over all their pictures."""
    pictures = sum(each.pictures for each in found)
    agreements = [each.agreement for each in found]
    agreement = None if None in agreements else sum(
        each.agreement * each.pictures for each in found) / pictures
    return Difference(max(each.absolute for each in found), max(each.relative for each in found), agreement, pictures)


def check_finite(whose: str, outputs: Sequence[np.ndarray]) -> None:
    """Raises a UserError if there are NaN or infinite values among the outputs."""
    if not all(np.isfinite(each).all() for each in outputs):
        raise UserError(f'{whose} expects finite outputs, got NaN or infinite ones. Take a checkpoint from before '
                        'its run diverged.')
