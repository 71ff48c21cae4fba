"""Whether the kept answers of a teacher serve a term."""
from collections.abc import Mapping

from mmengine.logging import print_log

from mmkd.losses.served import ALL_LOGITS, EXACTLY, NOT, WHOLE_MAPS, Kept, Service, how_served
from mmkd.utils import UserError

from .term import Term


def check_served(term: Term, kept: Mapping[str, Kept]) -> None:
    """Checks that what was kept of a teacher's taps serves a term, and says so if it does approximately.

    Args:
        term: The term, which is built.
        kept: Teacher tap to what was kept of it; taps of teachers that run have no entry.

    Raises:
        UserError: It does not; the message has the smallest record that would.
    """
    for tap in term.teacher_taps:
        if tap not in kept:
            continue
        name, service = type(term.loss).__name__, _service(term, kept[tap])
        if service.how == NOT:
            flags = {ALL_LOGITS: '--topk all', WHOLE_MAPS: f'--tap {tap.rpartition(":")[2]}'}
            raise UserError(f'term {term.name!r}: {name} expects {service.wanted} of the teacher at {tap!r}, got a '
                            f'cache with less, and {service.why}. Build it with mmkd cache build … '
                            f'{flags[service.wanted]}.')
        if service.how != EXACTLY:
            print_log(f'The term {term.name!r} ({name}) gets its teacher approximately: {service.why}.',
                      logger='current')


def _service(term: Term, kept: Kept) -> Service:
    """How the loss is served, and what comes before it in the term."""
    if term.teacher_norms is not None and not kept.every_value:
        return Service(NOT, 'teacher_norm reads every class', ALL_LOGITS)
    if kept.pooled and term.teacher_norms is not None:
        return Service(NOT, 'teacher_norm is estimated over positions', WHOLE_MAPS)
    if kept.pooled and term.follows_size:
        return Service(NOT, 'its connector follows the size of the map', WHOLE_MAPS)
    return how_served(term.loss, kept)
