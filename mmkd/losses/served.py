"""How a teacher's kept answers serve a loss: exactly, approximately, or not at all.

A loss on logits says by a method ``refuses_topk()`` whether the largest logits and the mass of the others are enough:
it returns why not, or an empty string. Without it, every logit is wanted. A loss that averages positions before it
compares says ``averages_positions = True``: maps that were pooled before they were kept serve it as whole ones do.
"""
from dataclasses import dataclass

from torch import nn

EXACTLY, APPROXIMATELY, NOT = 'exactly', 'approximately', 'not'
ALL_LOGITS = 'every logit (--topk all)'
WHOLE_MAPS = 'maps that are not pooled'


@dataclass(frozen=True)
class Kept:
    """What was kept of one tap.

    Args:
        every_value: Whether all values of it are there: of logits not only the largest ones.
        pooled: Whether a map was averaged over its positions.
        full_precision: Whether the values are those of the teacher to the last bit, and not rounded to 16 bits.
    """
    every_value: bool = True
    pooled: bool = False
    full_precision: bool = True


@dataclass(frozen=True)
class Service:
    """How kept answers serve.

    Args:
        how: ``'exactly'``, ``'approximately'`` or ``'not'``.
        why: Of what is not exact, why.
        wanted: Of what does not serve, the smallest record that would.
    """
    how: str
    why: str = ''
    wanted: str = ''


def how_served(loss: nn.Module, kept: Kept) -> Service:
    """How a loss is served by what was kept of a tap.

    Args:
        loss: The loss.
        kept: What was kept.
    """
    if not kept.every_value:
        refusal = loss.refuses_topk() if hasattr(loss, 'refuses_topk') else 'it reads every class'
        if refusal:
            return Service(NOT, refusal, ALL_LOGITS)
        return Service(APPROXIMATELY, 'the mass of the smaller logits is spread evenly')
    if kept.pooled and not getattr(loss, 'averages_positions', False):
        return Service(NOT, 'it compares positions', WHOLE_MAPS)
    if not kept.full_precision:
        return Service(APPROXIMATELY, 'the values are rounded to 16 bits')
    return Service(EXACTLY)


def refuses_temperature(temperature: float) -> str:
    """Why the largest logits do not serve a softmax at a temperature; empty at 1, which they are kept at."""
    if temperature == 1:
        return ''
    return f'at temperature {temperature:g} the smaller logits weigh by how they differ, which is not kept'


def logit_losses_served(kept: Kept) -> dict[str, Service]:
    """How each loss on logits is served, with its default settings.

    Args:
        kept: What was kept of the logits.
    """
    from . import logit
    return {name: how_served(getattr(logit, name)(), kept) for name in logit.__all__}
