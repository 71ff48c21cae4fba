"""The classes that the checkpoints of a recipe's teachers name."""
from mmkd.datasets.verification.class_names import Classes, classes_of_checkpoint
from mmkd.zoo.checkpoint_meta import read_classes

from .teachers import named_teachers


def teachers_classes(config: dict) -> list[Classes]:
    """The classes of the teachers whose logits a term reads, as far as their checkpoints name them.

    Args:
        config: The ``model`` of a recipe.
    """
    taps = set()
    for term in (config.get('terms') or {}).values():
        tap = term.get('teacher') or ()
        taps |= {tap} if isinstance(tap, str) else set(tap)
    found = []
    for name, teacher in named_teachers(config['teacher']).items():
        if (f'{name}:logits' if name else 'logits') in taps and teacher.get('checkpoint'):
            where = f'the checkpoint of teacher {name!r}' if name else "the teacher's checkpoint"
            name = teacher['checkpoint']
            found.append(classes_of_checkpoint(f'{where}, {name},', read_classes(str(name))))
    return [classes for classes in found if classes is not None]
