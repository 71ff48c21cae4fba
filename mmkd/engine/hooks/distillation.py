"""Seeing what a distillation run does."""
from collections.abc import Sequence

import torch
from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.runner import IterBasedTrainLoop, Runner

from mmkd.distillers import Teacher
from mmkd.distillers.schedule import Progress
from mmkd.distillers.teacher import SINGLE, CachedTeacher
from mmkd.engine.models import distiller_of, has_no_classifier, output_count
from mmkd.registry import HOOKS
from mmkd.utils import UserError

from ..figure_loop import FigureLoop
from ..recipe_fit import check_estimates, check_sample_indices, check_schedules
from ..teacher_validation import (
    Agreement,
    has_fixed_order,
    unchanged_randomness,
    validate,
)
from .data_fit import DataFitHook


@HOOKS.register_module()
class DistillationHook(Hook):
    """Checks a distillation recipe before the first image, and logs what teacher and terms do to the student.

    Logged are, beside the value of each term: ``teacher/<metric>``, the teacher's own figures on the validation set
    at step 0; ``teacher_agreement`` (per cent of the validation images with the same top-1) and ``teacher_kl`` (mean
    KL divergence of the student's from the teacher's probabilities, in nats) at each validation; and
    ``grad_share/task`` and ``grad_share/<term>``, the norm of each loss's gradient on the student's parameters over
    the sum of these norms. Where there are several teachers, their names stand in the keys. A running average of the
    student is not compared. Random states are left as they are: a run ends alike with and without the hook.

    ``tools/train.py`` adds it to every recipe that does not list it.

    Args:
        gradient_interval: Iterations between two measurements of the gradient shares, each of which takes one more
            backward pass for the task loss and for each term; 0 for none.
        teacher_accuracy: Whether to evaluate the teachers before training.
        agreement: Whether to compare the predictions of classifiers at each validation. The teacher's are computed
            once and kept in memory: 4 bytes for each image and class.

    Raises:
        UserError: The interval is negative, the model is no distiller, or the recipe does not fit the run; see
            :mod:`mmkd.engine.recipe_fit`.
    """

    priority = 'NORMAL'  # after RuntimeInfoHook, before LoggerHook

    def __init__(self, gradient_interval: int = 50, teacher_accuracy: bool = True, agreement: bool = True) -> None:
        if not isinstance(gradient_interval, int) or gradient_interval < 0:
            raise UserError('DistillationHook expects gradient_interval to be a number of iterations, or 0 for none, '
                            f'got {gradient_interval!r}.')
        self.gradient_interval = gradient_interval
        self.teacher_accuracy = teacher_accuracy
        self.agreement = agreement
        self._agreements: dict[str, Agreement] = {}

    def before_train(self, runner: Runner) -> None:
        """Checks the recipe and evaluates the teachers."""
        self._distiller = distiller_of(runner, 'DistillationHook')
        if not any(isinstance(hook, DataFitHook) for hook in runner.hooks):
            DataFitHook().before_train(runner)
        by_iter = isinstance(runner.train_loop, IterBasedTrainLoop)
        length = Progress(max_epochs=0 if by_iter else runner.max_epochs, max_iters=runner.max_iters)
        check_schedules(self._distiller, length)
        check_estimates(self._distiller, runner.max_iters)
        check_sample_indices(self._distiller, runner.train_dataloader.dataset)
        self._agreements = {}
        if self.teacher_accuracy or self.agreement:
            self._validate_teachers(runner)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        """Asks for the gradient norms, in the iterations that are to be measured."""
        if self.every_n_train_iters(runner, self.gradient_interval):
            scaler = getattr(runner.optim_wrapper, 'loss_scaler', None)
            self._distiller.gradients.request(scaler.get_scale() if scaler is not None else 1.0)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        """Logs the gradient shares, in the iterations that were measured."""
        if not self.every_n_train_iters(runner, self.gradient_interval):
            return
        meter = self._distiller.gradients
        names = ['task', *self._distiller.terms]
        norms = torch.stack([torch.as_tensor(meter.norms.get(name, 0.)).cpu() for name in names])
        report = torch.cat([norms, torch.tensor([float(bool(meter.problem))])])
        all_reduce(report, 'mean')
        *means, failed = report.tolist()
        if failed:
            self.gradient_interval = 0
            runner.logger.warning(f'DistillationHook stops measuring gradient shares: {meter.problem or "see rank 0"} '
                                  'With gradient checkpointing, they need use_reentrant=False.')
        elif 0 < sum(means) < float('inf'):
            runner.message_hub.update_scalars(
                {f'train/grad_share/{name}': mean / sum(means) for name, mean in zip(names, means)})

    def before_val_epoch(self, runner: Runner) -> None:
        """Starts a comparison."""
        for agreement in self._agreements.values():
            agreement.clear()

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None,
                       outputs: Sequence | None = None) -> None:
        """Compares one batch."""
        for agreement in self._agreements.values():
            agreement.add(batch_idx, outputs)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Logs the comparison."""
        for name, agreement in self._agreements.items():
            runner.message_hub.update_scalars(
                {f'val/{key}{_suffix(name)}': value for key, value in agreement.result().items()})

    def _validate_teachers(self, runner: Runner) -> None:
        averages = [average.module for average in self._distiller.averages.values()]
        for name, teacher in self._distiller.teachers.items():
            if isinstance(teacher, CachedTeacher) and not teacher.has_model:
                runner.logger.info(f'{_title(name)} is not evaluated: nothing but its kept answers is there. Write '
                                   'its config and checkpoint beside the cache to have it validated.')
                continue
            if any(teacher.model is average for average in averages):
                continue
            obstacle = self._obstacle(runner, teacher)
            if isinstance(runner.val_loop, FigureLoop):
                self._ask_loop(runner, name, teacher)
            elif obstacle:
                runner.logger.info(f'{_title(name)} is not evaluated: {obstacle}.')
            else:
                self._validate_teacher(runner, name, teacher)
            if isinstance(teacher, CachedTeacher):
                teacher.release()

    def _obstacle(self, runner: Runner, teacher: Teacher) -> str:
        if getattr(runner.val_loop, 'evaluator', None) is None:
            return 'the run has no validation'
        if has_no_classifier(teacher.model):
            return 'it has no classifier'
        counts = output_count(teacher.model), output_count(self._distiller.student)
        if None not in counts and counts[0] != counts[1]:
            return f'it has {counts[0]} classes, and the student {counts[1]}'
        return ''

    def _validate_teacher(self, runner: Runner, name: str, teacher: Teacher) -> None:
        title = f'{_title(name)} on the validation set'
        keep = self.agreement and has_fixed_order(runner.val_loop.dataloader)
        if self.agreement and not keep:
            runner.logger.info(f'{title}: predictions are not compared, since the order of the images may change.')
        evaluator = runner.val_loop.evaluator if self.teacher_accuracy else None
        with unchanged_randomness(runner.val_loop.dataloader) as loader:
            metrics, kept = validate(teacher, self._distiller.data_preprocessor, loader, evaluator, keep,
                                     lambda text: runner.logger.info(f'{title}: {text}.'))
        if kept is not None:
            self._agreements[name] = Agreement(kept, len(loader.dataset))
        _log(runner, name, metrics)

    def _ask_loop(self, runner: Runner, name: str, teacher: Teacher) -> None:
        """A loop that validates features can do so with a teacher's; predictions are not compared."""
        if not self.teacher_accuracy or not hasattr(runner.val_loop, 'teacher_figures'):
            return
        try:
            _log(runner, name, runner.val_loop.teacher_figures(teacher))
        except UserError as error:  # a teacher of another kind need not have such features
            runner.logger.warning(f'{_title(name)} is not evaluated: {error}')


def _log(runner: Runner, name: str, metrics: dict[str, float]) -> None:
    """Logs the figures of a teacher, if there are any."""
    if metrics:
        figures = {f'teacher{_suffix(name)}/{key}': value for key, value in metrics.items()}
        runner.logger.info(f'{_title(name)} on the validation set: '
                           + ', '.join(f'{key} {value:.4f}' for key, value in metrics.items()))
        runner.message_hub.update_scalars(figures, resumed=False)
        runner.visualizer.add_scalars(figures, step=0, file_path=f'{runner.timestamp}.json')


def _title(name: str) -> str:
    return 'Teacher' if name == SINGLE else f'Teacher {name}'


def _suffix(name: str) -> str:
    """What tells the keys of several teachers apart in the log."""
    return '' if name == SINGLE else f'/{name}'
