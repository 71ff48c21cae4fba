"""The classes that are known of a recipe's teachers: by their checkpoints, Hugging Face's configs, or caches."""
import re
from collections.abc import Mapping

from torch import nn

from mmkd.datasets.verification.class_names import Classes, classes_of_checkpoint
from mmkd.utils.building.build import type_name
from mmkd.zoo.checkpoint_meta import read_meta

from ..models import FORMS, TEACHER_OPTIONS, ModelSpec, read_spec
from .building import SINGLE, named_teachers, teacher_role
from .cached import CachedTeacher
from .teacher import Teacher

UNNAMED = re.compile(r'LABEL_\d+')  # what transformers calls classes that nobody has named


def teachers_classes(config: Mapping, teachers: Mapping[str, Teacher]) -> list[Classes]:
    """The classes of the teachers of whose classes a term reads scores, as far as something names them.

    Args:
        config: The ``model`` of a recipe.
        teachers: Its teachers.
    """
    found = []
    for name, cfg in named_teachers(config['teacher']).items():
        whose = f' of {teacher_role(name)}' if name in config['teacher'] else ''
        found.append(classes_of_teacher(cfg, teachers[name], whose))
    return [classes for classes in found if classes is not None]


def classes_of_teacher(cfg: Mapping, teacher: Teacher, whose: str = '') -> Classes | None:
    """The classes of one teacher.

    Args:
        cfg: What the recipe says of it.
        teacher: The teacher.
        whose: Of which of several teachers, for messages.

    Returns:
        None where no term reads scores of its classes, or nothing names them.
    """
    if not teacher.reads_classes or 'ema' in cfg:
        return None
    own = {key: value for key, value in cfg.items() if key not in TEACHER_OPTIONS}
    spec = read_spec(own, SINGLE) if set(FORMS) & set(own) else None
    file = None if spec is None else _file_of(spec)
    if file is not None:
        found = classes_of_checkpoint(_where('checkpoint', whose, file), read_meta(file))
        if found is not None:
            return found
    if isinstance(teacher, CachedTeacher):
        kept = teacher.reader.header.teacher.get('classes')
        return None if kept is None else Classes(_where('cache', whose, str(teacher.reader.path)), **kept)
    names = _config_names(teacher.network) if file is None else []
    where = _where('config', whose, str(spec.cfg.get('model_name', 'of a module')))
    return classes_of_checkpoint(where, dict(meta=dict(CLASSES=names)))


def _where(what: str, whose: str, path: str) -> str:
    return f'the {what}{whose}, {path},' if whose else f"the teacher's {what}, {path},"


def _file_of(spec: ModelSpec) -> str | None:
    """The file of a model's weights: its checkpoint, or what its config loads as a whole."""
    if spec.checkpoint is not None:
        return str(spec.checkpoint)
    inits = spec.cfg.get('init_cfg') or []
    for init in [inits] if isinstance(inits, Mapping) else inits:
        if type_name(init) == 'Pretrained' and not init.get('prefix'):
            return str(init['checkpoint'])
    return spec.cfg['pretrained'] if isinstance(spec.cfg.get('pretrained'), str) else None


def _config_names(network: nn.Module) -> list[str]:
    """The names of the classes in the config of a model of transformers', in the order of their labels."""
    config = getattr(getattr(network, 'model', None), 'config', None)
    names = getattr(config, 'id2label', None) if type(network).__name__ == 'HuggingFaceModel' else None
    if not names or any(UNNAMED.fullmatch(str(name)) for name in names.values()):
        return []
    return [names[label] for label in sorted(names)]
