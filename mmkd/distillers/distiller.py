"""The distiller: a student that learns from its labels and from a teacher."""
import torch
from mmengine.logging import print_log
from mmengine.model import BaseModel
from torch import Tensor, nn

from mmkd.registry import MODELS
from mmkd.utils import UserError

from .inputs import InputAdapter, normalisation
from .models import build_model, read_spec
from .taps import Taps, named_locations
from .teacher import Teacher
from .term import Term


@MODELS.register_module()
class Distiller(BaseModel):
    """Trains a student on its own loss and on the terms that compare it with a teacher.

    A training step runs the student once and the teacher once, on the same augmented batch. For
    prediction and evaluation it is the student. Its state dict holds ``student.*`` and the terms'
    own parameters; the teacher is in no state dict, optimizer, EMA copy or DDP bucket.

    Args:
        student: The student: a model dict, ``dict(config='…', options={…})`` or ``dict(timm='…')``,
            each with an optional ``checkpoint``.
        teacher: The teacher, likewise; further keys: ``dtype`` (``'bf16'``, ``'fp16'``), ``compile``
            (bool or dict), and ``input_size`` (int or (height, width)) to which images are resized for it.
        terms: Name of each term to its config; see :class:`Term`.
        task_weight: Factor of the student's own loss.
        input_size: Side (or height and width) of the fake images that check all shapes at build.
        data_preprocessor: Overrides the student's.
        init_cfg: As in MMEngine.

    Raises:
        UserError: A model, tap, loss or checkpoint does not exist, or the shapes cannot match.
    """

    def __init__(self,
                 student: dict,
                 teacher: dict,
                 terms: dict[str, dict],
                 task_weight: float = 1.0,
                 input_size: int | tuple[int, int] = 224,
                 data_preprocessor: dict | None = None,
                 init_cfg: dict | None = None) -> None:
        if not terms:
            raise UserError('Distiller expects at least one term, got none. Add an entry to terms.')
        spec = read_spec(student, 'student', data_preprocessor)
        model = build_model(spec, 'student')
        super().__init__(model.data_preprocessor, init_cfg)
        self.student = model
        self.task_weight = task_weight
        self.terms = nn.ModuleDict({name: Term(name, **_term_cfg(name, cfg)) for name, cfg in terms.items()})
        self._student_is_loaded = spec.checkpoint is not None or spec.pretrained
        entries = self.terms.values()
        self._student_taps = Taps(model, [tap for term in entries for tap in term.student_taps])
        self._teacher = _build_teacher(teacher, [tap for term in entries for tap in term.teacher_taps],
                                       model.data_preprocessor)
        self._dry_run(_size(input_size))

    def forward(self,
                inputs: Tensor,
                data_samples: list | None = None,
                mode: str = 'tensor') -> dict[str, Tensor] | list | Tensor:
        """Forwards a batch, as every OpenMMLab model does.

        Args:
            inputs: Normalised images (N, 3, H, W).
            data_samples: Their annotations.
            mode: ``'loss'`` trains; ``'predict'`` and ``'tensor'`` are the student's.

        Returns:
            In mode ``'loss'`` the student's losses (its ``loss`` as ``task_loss``) and one ``loss_<term>``
            a term; else what the student returns.
        """
        if mode != 'loss':
            outputs = self.student(inputs, data_samples, mode=mode)
            self._student_taps.take()
            return outputs
        losses = {('task_loss' if name == 'loss' else name): self._weighted(name, value)
                  for name, value in self.student(inputs, data_samples, mode='loss').items()}
        student, teacher = self._student_taps.take(), self._teacher(inputs)
        target = _target(data_samples)
        for name, term in self.terms.items():
            losses[f'loss_{name}'] = term(student, teacher, target)
        return losses

    def _weighted(self, name: str, value: Tensor | list[Tensor]) -> Tensor | list[Tensor]:
        """Applies ``task_weight`` to what MMEngine will sum, and leaves accuracies alone."""
        if 'loss' not in name or self.task_weight == 1:
            return value
        if isinstance(value, Tensor):
            return self.task_weight * value
        return [self.task_weight * item for item in value]

    def init_weights(self) -> None:
        """Initialises the terms, and the student unless it came with weights."""
        for term in self.terms.values():
            term.init_weights()
        if not self._student_is_loaded:
            self.student.init_weights()
        self._is_init = True

    @torch.no_grad()
    def _dry_run(self, size: tuple[int, int]) -> None:
        """Runs one fake batch through everything, to build connectors and to find wrong shapes now."""
        was_training = self.training
        self.eval()
        with torch.random.fork_rng(devices=[]):
            inputs = torch.rand(2, 3, *size)
            try:
                self.student(inputs, mode='tensor')
            except RuntimeError as error:
                raise UserError(f'the student cannot forward images of {size[0]}×{size[1]} ({error}). '
                                "Set the recipe's input_size.") from error
        student, teacher = self._student_taps.take(), self._teacher(inputs)
        self._check_fired(student, teacher)
        target = torch.zeros(2, dtype=torch.long) if 'logits' in named_locations(self.student) else None
        for term in self.terms.values():
            term.dry_run(student, teacher, target)
        self.train(was_training)

    def _check_fired(self, student: dict, teacher: dict) -> None:
        for term in self.terms.values():
            for role, taps, tensors in (('student', term.student_taps, student),
                                        ('teacher', term.teacher_taps, teacher)):
                silent = [tap for tap in taps if tap not in tensors]
                if silent:
                    raise UserError(f'term {term.name!r}: the {role} never runs {", ".join(silent)} in its '
                                    'forward pass. Tap a module that it calls.')


def _term_cfg(name: str, cfg: dict) -> dict:
    allowed = {'loss', 'student', 'teacher', 'connector', 'weight'}
    required = {'loss', 'student', 'teacher'}
    if '.' in name:
        raise UserError(f'a term expects a name without dots, got {name!r}.')
    if not isinstance(cfg, dict) or not required <= set(cfg) <= allowed:
        raise UserError(f'term {name!r} expects a dict of {", ".join(sorted(required))} and optionally '
                        f'{", ".join(sorted(allowed - required))}, got {cfg!r}.')
    return cfg


def _build_teacher(cfg: dict, taps: list[str], student_preprocessor: nn.Module) -> Teacher:
    cfg = dict(cfg)
    options = {key: cfg.pop(key) for key in ('dtype', 'compile') if key in cfg}
    size = cfg.pop('input_size', None)
    spec = read_spec(cfg, 'teacher')
    model = build_model(spec, 'teacher')
    theirs = normalisation(model.data_preprocessor) or _timm_normalisation(model)
    size = _size(size) if size is not None else _fixed_input_size(model)
    adapter = InputAdapter(normalisation(student_preprocessor), theirs, size)
    if adapter.scale is not None or adapter.flip or size:
        print_log(f"The teacher's input is adapted: normalisation {theirs}, size {size or 'as the student'}.",
                  logger='current')
    return Teacher(model, taps, adapter, **options)


def _timm_normalisation(model: BaseModel) -> dict | None:
    """timm writes what a model was trained on into its pretrained config, for pixels in 0…1."""
    cfg = getattr(getattr(model, 'model', None), 'pretrained_cfg', None)
    if not cfg or 'mean' not in cfg:
        return None
    return dict(mean=[255 * value for value in cfg['mean']], std=[255 * value for value in cfg['std']],
                to_rgb=True)


def _fixed_input_size(model: BaseModel) -> tuple[int, int] | None:
    """The only input size that a model takes, if it is tied to one (as vision transformers are)."""
    cfg = getattr(getattr(model, 'model', None), 'pretrained_cfg', None)
    if cfg and cfg.get('fixed_input_size'):
        return tuple(cfg['input_size'][-2:])
    size = getattr(getattr(model, 'backbone', None), 'img_size', None)
    return _size(size) if size is not None else None


def _size(size: int | tuple[int, int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else tuple(size)


def _target(data_samples: list | None) -> Tensor | None:
    """The labels of a batch of classification samples: soft (N, C) after mixup, else indices (N,)."""
    if not data_samples:
        return None
    if 'gt_score' in data_samples[0]:
        return torch.stack([sample.gt_score for sample in data_samples])
    if 'gt_label' in data_samples[0]:
        return torch.cat([sample.gt_label for sample in data_samples])
    return None
