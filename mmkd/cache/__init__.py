"""Teacher caches: built from a recipe, checked against it, and described.

``source`` is a recipe's teacher and its views, ``plan`` divides them among processes and batches, ``building`` writes
the records, ``checking`` asks the teacher again, and ``info`` tells what is inside.
"""
from .building import Request, build
from .checking import check
from .info import describe

__all__ = ['Request', 'build', 'check', 'describe']
