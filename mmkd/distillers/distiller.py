"""The distiller: a student that learns from its labels and from teachers."""
from typing import Any

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn

from mmkd.layers.running_average import OptimizerSteps
from mmkd.registry import MODELS
from mmkd.utils import UserError
from mmkd.utils.building.arguments import NON_NEGATIVE, check_arguments

from .gradients import GradientMeter, check_fired, check_trained, tap_sums, total
from .inputs import (
    Labels,
    as_size,
    check_labels,
    check_range,
    has_labels,
    image_channels,
    indices_of,
    no_loss,
    samples_for,
    target_of,
)
from .models import (
    apply_init,
    build_model,
    device_of,
    fake_annotations,
    fake_samples,
    forward_mode,
    forward_of,
    is_plain,
    read_spec,
    take_student_file,
)
from .models.dry_run import has_classes, images_fit, sizes
from .parts import TeacherParts
from .schedule import Progress
from .taps import Tapped, Taps
from .teacher import Teachers, build_teachers, dry_runs, kept_of, split_tap
from .teacher.regions import STUDENT_REGIONS, wanted_regions
from .term import Term, check_scores, check_served, draws_of_their_own, term_config


@MODELS.register_module()
class Distiller(BaseModel):
    """Trains a student on its own loss and on the terms that compare it with teachers.

    A training step runs the student once and each teacher once, on the same augmented batch. For prediction
    and evaluation it is the student: it takes a published student's file as well, and reads no teacher's. Its state
    dict holds ``student.*`` and the terms' own parameters (and the running average, if that is a teacher); a teacher
    is in no state dict, optimizer, EMA copy or DDP bucket.

    Models, losses and connectors may be any ``nn.Module``, and a batch plain tensors. Without a runner,
    ``distiller.total(distiller(images, labels)).backward()`` is a step. A plain module gets the images and returns its
    logits; its own loss is their cross-entropy.

    Args:
        student: The student: a model dict, ``dict(config='…', options={…})``, ``dict(timm='…')`` or
            ``dict(module=…)``, each with an optional ``checkpoint``; an ``nn.Module`` with the weights that it has; or
            a name such as ``'timm:resnet50'`` (:func:`~mmkd.distillers.models.names.named_model`).
        teacher: The teacher, likewise; further keys: ``dtype`` (``'bf16'``, ``'fp16'``), ``compile`` (bool or dict),
            ``channels_last`` (bool), and ``input_size`` (int or (height, width)) of the images for it. Or
            ``dict(ema=dict(momentum=0.0002))``: the running average of the student and its norms' statistics, moved
            once an optimizer step. Or several: a dict of names to such dicts; the terms' teacher taps are then
            written ``'name:tap'``.
        terms: Name of each term to its config; see :class:`Term`.
        task_weight: Factor of the student's own loss.
        input_size: Side (or height and width) of the fake images that check all shapes at build.
        data_preprocessor: Overrides the student's. A plain module has none: it and its teachers get the images as they
            are, unless this says how they are normalised.
        loads_rgb: Whether the images come in RGB, as CIFAR's do, and not in BGR, as files are read: ``to_rgb=False``
            then leaves them in RGB. ``mmkd train`` finds it out by the data.
        init_cfg: As in MMEngine; weights of type ``'Pretrained'`` may be those of a distiller or of a student.

    Raises:
        UserError: A model, tap, loss or checkpoint does not exist, or the shapes cannot match.
    """

    def __init__(self,
                 student: dict | str | nn.Module,
                 teacher: dict | str | nn.Module,
                 terms: dict[str, dict],
                 task_weight: float = 1.0,
                 input_size: int | tuple[int, int] = 224,
                 data_preprocessor: dict | None = None,
                 loads_rgb: bool = False,
                 init_cfg: dict | list[dict] | None = None) -> None:
        if not terms:
            raise UserError('Distiller expects at least one term, got none. Add an entry to terms.')
        check_arguments('Distiller', task_weight=(task_weight, NON_NEGATIVE))
        spec = read_spec(student, 'student', data_preprocessor)
        model = build_model(spec, 'student')
        plain = is_plain(model)
        preprocessor = data_preprocessor if plain else model.data_preprocessor
        if not plain and 'module' in spec.cfg and data_preprocessor is not None:  # others are built with it
            preprocessor = dict(dict(type=type(preprocessor)), **data_preprocessor)
        super().__init__(preprocessor, init_cfg)
        self.student = model
        self.task_weight = task_weight
        self.gradients, self._updates = GradientMeter(), OptimizerSteps()
        self.teacher_sums: dict[str, Tensor] = {}  # of the last step, not finite where a teacher's tap is not
        with draws_of_their_own():
            self.terms = nn.ModuleDict({name: Term(name, **term_config(name, cfg)) for name, cfg in terms.items()})
            self._student_is_loaded = spec.checkpoint is not None or spec.pretrained
            teacher_taps = [tap for term in self.terms.values() for tap in term.teacher_taps]
            self._teachers, self.averages = build_teachers(
                teacher, teacher_taps, model, None if plain and data_preprocessor is None else self.data_preprocessor,
                loads_rgb)
            self._teacher_taps = {tap: split_tap(tap, self._teachers) for tap in teacher_taps}  # teacher, and tap in it
            self._student_taps = Taps(model, [*(tap for term in self.terms.values() for tap in term.student_taps),
                                              *wanted_regions(self._teachers.values())])
            with dry_runs(self._teachers.values(), any(term.reads_weights for term in self.terms.values())):
                self.tapped_shapes = self._dry_run(as_size(input_size))

    @property
    def teachers(self) -> Teachers:
        """The teachers by name; one to which the recipe gives no name is called ``'teacher'``."""
        return self._teachers

    def forward(self,
                inputs: Tensor,
                data_samples: Labels = None,
                mode: str | None = None) -> dict[str, Tensor] | list | Tensor:
        """Forwards a batch, as every OpenMMLab model does; ``distiller(images, labels)`` returns the losses.

        Args:
            inputs: Normalised images (N, C, H, W).
            data_samples: Their annotations: data samples, or a tensor of class indices (N,) or soft labels (N, C). With
                a ``task_weight`` of 0 there need be none, or none with labels, where no term asks for labels.
            mode: ``'loss'`` trains; ``'predict'`` and ``'tensor'`` are the student's. None is ``'loss'`` where the
                labels are a tensor, else ``'tensor'``.

        Returns:
            In mode ``'loss'`` the student's losses (its ``loss`` as ``task_loss``) and one ``loss_<term>``
            a term; else what the student returns.

        Raises:
            UserError: A tap is not reached, or can train nothing; or a loss needs labels and there are none.
        """
        mode = mode or ('loss' if isinstance(data_samples, Tensor) else 'tensor')
        if mode != 'loss':
            return forward_of(self.student)(inputs, samples_for(self.student, data_samples), mode=mode)
        progress = Progress.current()
        active = {name: term for name, term in self.terms.items() if not term.is_idle(progress)}
        target = target_of(data_samples, any(term.needs_target for term in active.values()))
        data_samples = self._samples(data_samples, inputs)
        self._follow_student()
        own, student = self._run_student(inputs, data_samples)
        teacher = self._run_teachers(inputs, data_samples, active, student)
        self._check_taps(student, teacher, active)
        losses = self._task_losses(own)
        indices = indices_of(data_samples, inputs) if any(term.uses_indices for term in active.values()) else None
        for name, term in self.terms.items():
            losses[f'loss_{name}'] = (term(student, teacher, target, indices, progress, data_samples)
                                      if name in active else inputs.new_zeros(()))
        if self.gradients.requested:
            self._measure_gradients({name: losses['task_loss' if name == 'loss' else name] for name in own}, losses)
        return losses

    def _samples(self, labels: Labels, inputs: Tensor) -> Labels:
        """The labels in the form that the student takes, if they belong to the images and its classes."""
        if isinstance(labels, Tensor) and not is_plain(self.student):
            check_range(labels, len(inputs), getattr(getattr(self.student, 'head', None), 'num_classes', None))
        return samples_for(self.student, labels)

    def _run_student(self, inputs: Tensor, data_samples: Labels) -> tuple[dict[str, Tensor], Tapped]:
        """The student's own losses and what its taps read."""
        forward = forward_of(self.student)
        # A detector runs some of its heads only to predict or to train, and training needs its annotations.
        if self.task_weight or (forward_mode(self.student) == 'predict' and has_labels(data_samples)):
            check_labels(data_samples, self.task_weight)
            return self._student_taps.read(forward, inputs, data_samples, mode='loss')
        if data_samples is None:
            data_samples = fake_samples(self.student, len(inputs), tuple(inputs.shape[-2:]))
        _, student = self._student_taps.read(forward, inputs, data_samples, mode=forward_mode(self.student))
        return dict(loss=no_loss(self.student, inputs)), student

    def _run_teachers(self, inputs: Tensor, data_samples: Labels, terms: dict[str, Term], student: Tapped) -> Tapped:
        """Runs those teachers of which the terms read something, at the student's regions where that matters."""
        wanted = {self._teacher_taps[tap][0] for term in terms.values() for tap in term.teacher_taps}
        at = student.get(STUDENT_REGIONS)
        read = {name: self._teachers[name](inputs, data_samples, at) for name in sorted(wanted)}
        return Tapped({tap: read[name][own] for tap, (name, own) in self._teacher_taps.items()
                       if own in read.get(name, ())})

    def _check_taps(self, student: Tapped, teacher: Tapped, terms: dict[str, Term]) -> None:
        """Checks that the terms have what they read and can train the student, and notes whether it is finite."""
        check_fired(student, teacher, terms.values())
        if self.training and torch.is_grad_enabled() and any(p.requires_grad for p in self.student.parameters()):
            check_trained(self.terms.values(), student, self._student_taps.detached)
        self.teacher_sums = tap_sums(teacher)

    def _task_losses(self, own: dict[str, Tensor | list[Tensor]]) -> dict[str, Tensor | list[Tensor]]:
        """The student's own losses as they are logged and summed, times ``task_weight``."""
        losses = {('task_loss' if name == 'loss' else name): self._weighted(name, value)
                  for name, value in own.items()}
        twice = losses.keys() & {f'loss_{name}' for name in self.terms}
        if twice:
            raise UserError(f"terms expect other names than the student's own losses, got {', '.join(twice)} twice. "
                            'Rename the terms.')
        return losses

    @staticmethod
    def total(losses: dict[str, Tensor | list[Tensor]]) -> Tensor:
        """The sum of the losses that a forward pass has returned, as MMEngine's runner adds them up."""
        return total(losses)

    def _weighted(self, name: str, value: Tensor | list[Tensor]) -> Tensor | list[Tensor]:
        """Applies ``task_weight`` to what MMEngine will sum, and leaves accuracies alone."""
        if 'loss' not in name or self.task_weight == 1:
            return value
        return self.task_weight * value if isinstance(value, Tensor) else [self.task_weight * item for item in value]

    def _measure_gradients(self, own: dict[str, Tensor | list[Tensor]], losses: dict[str, Tensor]) -> None:
        """Measures what the task loss and each term pull at the student's parameters, their weights included."""
        groups = {name: losses[f'loss_{name}'] for name in self.terms}
        task = total(own)
        self.gradients.measure(groups if task is None else {'task': task, **groups}, self.student.parameters())

    def _follow_student(self) -> None:
        """Lets the running averages take the student's weights in, if they are new and its own.

        Those that ``torch.func.functional_call`` lends it are no parameters.
        """
        if self.training and self.averages and isinstance(next(self.student.parameters()), nn.Parameter):
            self._updates.watch(self.student)
            new = self._updates.taken()
            for average in self.averages.values():
                if new or average.steps == 0:
                    average.update_parameters(self.student)

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        """What is saved: the running averages have taken the last optimizer step in."""
        if self._updates.taken():
            for average in self.averages.values():
                average.update_parameters(self.student)
        return super().state_dict(*args, **kwargs)

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args: Any) -> None:
        """Takes a student's file as well: its names get the prefix ``student.``; see :func:`take_student_file`."""
        take_student_file(self, state_dict, prefix)
        super()._load_from_state_dict(state_dict, prefix, *args)

    def close(self) -> None:
        """Takes the recorders of all taps off student and teachers, which then are models like any other."""
        self._student_taps.close()
        for teacher in self._teachers.values():
            teacher.close()

    def train(self, mode: bool = True) -> 'Distiller':
        """Switches the student and the terms; teachers stay in eval mode."""
        super().train(mode)
        self.averages.eval()
        return self

    def init_weights(self) -> None:
        """Loads the teachers' weights, and initialises the student, unless it came with weights, and the terms."""
        for teacher in self._teachers.values():
            teacher.load()
        if not self._student_is_loaded and hasattr(self.student, 'init_weights'):
            self.student.init_weights()
        with draws_of_their_own():
            for term in self.terms.values():
                term.init_weights()
        if self.init_cfg:
            apply_init(self, self.init_cfg, spare=self.student if self._student_is_loaded else None)
        self._is_init = True

    @torch.no_grad()
    def _dry_run(self, size: tuple[int, int]) -> dict[str, dict[str, object]]:
        """Runs one fake batch through everything, to build the terms and to find wrong shapes now.

        Returns:
            ``'student'`` and ``'teacher'`` to the shape that each tap has read.
        """
        was_training = self.training
        self.eval()
        inputs = torch.rand(2, image_channels(self.student), *size, device=device_of(self.student))
        samples = fake_samples(self.student, 2, size)
        with images_fit('student', inputs):
            _, student = self._student_taps.read(
                forward_of(self.student), inputs, samples, mode=forward_mode(self.student), stop_early=True)
        with images_fit('teacher', inputs):
            teacher = self._run_teachers(inputs, samples, dict(self.terms.items()), student)
        check_fired(student, teacher, self.terms.values())
        target = torch.zeros(2, dtype=torch.long, device=inputs.device) if has_classes(self.student) else None
        parts = TeacherParts(self._teachers, inputs, teacher)
        annotations, kept = fake_annotations(self.student, samples, inputs), kept_of(self._teachers, self._teacher_taps)
        several = {tap for tap, (name, own) in self._teacher_taps.items() if own in self._teachers[name].independent}
        for term in self.terms.values():
            term.dry_run(student, teacher, target, parts, annotations)
            check_served(term, kept)
            check_scores(term, self._student_taps.independent, several)
        self.train(was_training)
        return {role: {tap: sizes(value) for tap, value in tensors.items()}
                for role, tensors in dict(student=student, teacher=teacher).items()}
