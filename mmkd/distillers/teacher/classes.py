"""The classes that the checkpoints of a recipe's teachers name."""
from collections.abc import Mapping

from mmkd.datasets.verification.class_names import Classes, classes_of_checkpoint
from mmkd.zoo.checkpoint_meta import read_classes

from .building import named_teachers, split_tap, teacher_role


def teachers_classes(config: Mapping) -> list[Classes]:
    """The classes of the teachers whose logits a term reads, as far as their checkpoints name them.

    Args:
        config: The ``model`` of a recipe.
    """
    configs = named_teachers(config['teacher'])
    taps = [term.get('teacher') or () for term in (config.get('terms') or {}).values()]
    read = {split_tap(tap, configs) for each in taps for tap in ([each] if isinstance(each, str) else each)}
    found = []
    for name, teacher in configs.items():
        if (name, 'logits') in read and teacher.get('checkpoint'):
            named, file = name in config['teacher'], str(teacher['checkpoint'])
            where = f'the checkpoint of {teacher_role(name)}' if named else "the teacher's checkpoint"
            found.append(classes_of_checkpoint(f'{where}, {file},', read_classes(file)))
    return [classes for classes in found if classes is not None]
