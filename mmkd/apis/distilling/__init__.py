"""One call from pictures to a distilled student.

``sources`` finds the data, ``models`` looks at student and teacher, ``methods`` moves a recipe's taps to them,
``recipe`` makes a config of all with ``settings``, ``writing`` writes it, ``running`` trains it.
"""
from .call import distill
from .result import DistillResult

__all__ = ['DistillResult', 'distill']
