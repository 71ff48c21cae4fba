"""A folder of pictures as a data set: which classes it has, how it is divided, and lists of it that are kept."""
from .dividing import divide
from .folders import Pictures, find_pictures
from .lists import refuse_or_skip, write_lists

__all__ = ['Pictures', 'divide', 'find_pictures', 'refuse_or_skip', 'write_lists']
