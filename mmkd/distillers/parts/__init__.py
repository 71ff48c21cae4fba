"""Parts of a teacher that a loss may call on the student's tensors.

``teacher_parts`` hands them out by name; ``classifier`` finds what follows the last stage, and tries it against the
teacher's logits; ``last_stage`` makes the last stage a function of the map before it.
"""
from .last_stage import last_stage
from .teacher_parts import TeacherParts

__all__ = ['TeacherParts', 'last_stage']
