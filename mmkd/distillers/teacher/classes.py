"""The classes that the checkpoints of a recipe's teachers name."""
from collections.abc import Mapping

from mmkd.datasets.verification.class_names import Classes, classes_of_checkpoint
from mmkd.zoo.checkpoint_meta import read_meta

from .building import named_teachers, teacher_role
from .teacher import Teacher


def teachers_classes(config: Mapping, teachers: Mapping[str, Teacher]) -> list[Classes]:
    """The classes of the teachers of whose classes a term reads scores, as far as their checkpoints name them.

    Args:
        config: The ``model`` of a recipe.
        teachers: Its teachers.
    """
    found = []
    for name, teacher in named_teachers(config['teacher']).items():
        if teacher.get('checkpoint') and teachers[name].reads_classes:
            named, file = name in config['teacher'], str(teacher['checkpoint'])
            where = f'the checkpoint of {teacher_role(name)}' if named else "the teacher's checkpoint"
            found.append(classes_of_checkpoint(f'{where}, {file},', read_meta(file)))
    return [classes for classes in found if classes is not None]
