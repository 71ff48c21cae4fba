"""The models of a recipe.

``building`` reads what a recipe says of a student or a teacher, builds it and loads its weights; ``initialising`` is
for the distiller's ``init_cfg`` and ``student_files`` for the file of a published student; ``detectors`` has what these
need besides images to run, ``plain`` runs modules from elsewhere, ``huggingface`` those of ``transformers``, and
``scopes`` finds the package of a type.
``names`` writes out what a model is called in one word, and ``mixing`` takes mixup and cutmix out of a recipe.
"""
from .building import (
    FORMS,
    TEACHER_OPTIONS,
    ModelSpec,
    build_model,
    build_with_report,
    build_without_weights,
    load_weights_of,
    read_spec,
    reads_file,
    student_config,
)
from .by_name import load_model_config
from .detectors import fake_annotations, fake_samples, forward_mode
from .huggingface import HuggingFaceModel
from .initialising import apply_init
from .mixing import take_mixing
from .names import is_model_name, named_model, plain_models
from .plain import device_of, forward_of, is_plain
from .student_files import take_student_file

__all__ = ['FORMS', 'TEACHER_OPTIONS', 'HuggingFaceModel', 'ModelSpec', 'apply_init', 'build_model',
           'build_with_report', 'build_without_weights', 'device_of', 'fake_annotations', 'fake_samples',
           'forward_mode', 'forward_of', 'is_model_name', 'is_plain', 'load_model_config', 'load_weights_of',
           'named_model', 'plain_models', 'read_spec', 'reads_file', 'student_config', 'take_mixing',
           'take_student_file']
