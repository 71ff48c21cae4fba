"""A teacher's answers on disk: how a record looks, what belongs to it, and how it is written and read.

Nothing here knows of models, data sets or runners; :mod:`mmkd.cache` builds such a folder.
"""
from .coding import decode, encode
from .formats import RecordFormat, TapFormat
from .hashes import canonical, first_difference, sample_facts, weights_hash
from .header import Header
from .reader import Reader
from .writer import Writer

__all__ = ['Header', 'Reader', 'RecordFormat', 'TapFormat', 'Writer', 'canonical', 'decode', 'encode',
           'first_difference', 'sample_facts', 'weights_hash']
