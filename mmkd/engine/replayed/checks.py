"""Whether caches are of the views that a training sees."""
from collections.abc import Mapping

from mmengine.logging import print_log

from mmkd.distillers.teacher import teacher_role
from mmkd.records import Header, Reader
from mmkd.utils import UserError


def check_caches(readers: Mapping[str, Reader], facts: dict) -> None:
    """Compares the header of each cache with the views of a training.

    Args:
        readers: Name of the teacher to the reader of its cache.
        facts: What :func:`~mmkd.engine.replayed.facts.view_facts` says of the training data.

    Raises:
        UserError: A cache is of other views; the message names all that differs.
    """
    for name, reader in readers.items():
        theirs = reader.header
        ours = Header(facts, theirs.teacher, theirs.format, theirs.epochs)
        found = theirs.differences(ours, teacher=False, format=False)
        if found:
            raise UserError(f'the {teacher_role(name)} expects the views that {reader.path} was built with, got '
                            f'others: {"; ".join(found)}. Train on those, or build a cache for these.')
        for text in theirs.warnings(ours):
            print_log(f'The cache {reader.path}: {text}. Views may differ, which their checksums would show.',
                      logger='current', level=30)
