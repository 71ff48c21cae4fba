"""Whether the scores that a term reads are such as its loss takes."""
from collections.abc import Collection

from mmkd.losses.checks import SIGMOIDS
from mmkd.utils import UserError

from .term import Term


def check_scores(term: Term, student: Collection[str], teacher: Collection[str]) -> None:
    """Checks that a loss that takes a softmax over the classes (``softmax = True``) gets no scores of several labels.

    Args:
        term: The term, which is built.
        student: The student's taps that read scores of which each class has a sigmoid of its own.
        teacher: The same of the teachers.

    Raises:
        UserError: It does.
    """
    if not getattr(term.loss, 'softmax', False):
        return
    for role, taps, independent in (('student', term.student_taps, student), ('teacher', term.teacher_taps, teacher)):
        found = [tap for tap in taps if tap in independent]
        if found:
            raise UserError(f'term {term.name!r}: {type(term.loss).__name__} expects one softmax over the classes, got '
                            f'the scores of the {role} at {found[0]}, of which each class has a sigmoid of its own. '
                            f'{SIGMOIDS}')
