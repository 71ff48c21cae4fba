"""Whether the data that a teacher is asked about have its classes."""
from collections.abc import Callable

from mmkd.datasets.verification.class_names import classes_of_dataset, compared
from mmkd.datasets.verification.survey import leaves, survey
from mmkd.distillers.teacher import classes_of_teacher
from mmkd.utils import UserError
from mmkd.utils.building.build import type_name

from .source import Source


def check_classes(source: Source, say: Callable[[str], None]) -> None:
    """Compares names and order of the classes of a teacher and of the training data, before anything is asked.

    Args:
        source: The teacher and the data.
        say: Gets a line about what differs and is no fault, or is meant so (``DataFitHook`` with ``refuse=False``).

    Raises:
        UserError: A class has another label.
    """
    theirs = classes_of_teacher(source.cfg, source.teacher) if source.compares_classes else None
    if theirs is None:
        return
    refuse = all(hook.get('refuse', True) for hook in source.config.get('custom_hooks') or ()
                 if type_name(hook) == 'DataFitHook')
    for leaf in leaves(source.dataset.dataset):
        found = compared(theirs, classes_of_dataset('train_dataloader', leaf, survey(leaf)))
        if found is not None and found.level == 'error' and refuse:
            raise UserError(f'the data do not fit: {found.text} If this is meant so, list '
                            "dict(type='mmkd.DataFitHook', refuse=False) in custom_hooks, beside those of the recipe.")
        if found is not None:
            say(f'warning: {found.text}')
