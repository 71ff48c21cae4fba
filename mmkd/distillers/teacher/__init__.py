"""The teachers of a recipe.

``teacher`` is one at work: frozen, in eval mode, invisible to what walks over the student; ``cached`` one that answers
from a cache. ``building`` makes them of the recipe, and ``classes`` reads the names of their classes: of a
checkpoint, of Hugging Face's config, of a cache.
"""
from .building import SINGLE, build_teachers, named_teachers, split_tap, take_stated, teacher_role
from .cached import CachedAnswers, CachedTeacher, kept_of, without_model
from .classes import classes_of_teacher, teachers_classes
from .teacher import Teacher, Teachers, dry_runs

__all__ = ['SINGLE', 'CachedAnswers', 'CachedTeacher', 'Teacher', 'Teachers', 'build_teachers', 'classes_of_teacher',
           'dry_runs', 'kept_of', 'named_teachers', 'split_tap', 'take_stated', 'teacher_role', 'teachers_classes',
           'without_model']
