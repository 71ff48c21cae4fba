"""The distiller and its parts: student, teacher, taps, terms."""
from .distiller import Distiller
from .taps import Taps
from .teacher import Teacher
from .term import Term

__all__ = ['Distiller', 'Taps', 'Teacher', 'Term']
