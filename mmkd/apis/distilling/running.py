"""Training what a call has written, and taking the student out of it."""
import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from torch import Tensor, nn

from mmkd.distillers import Distiller
from mmkd.distillers.models import ModelSpec, build_model, read_spec
from mmkd.engine.hooks.missed_validation import MARK
from mmkd.engine.models import model_of
from mmkd.engine.training import train_config
from mmkd.experiments.run_logs import epoch_of, last_checkpoint, read_scalars, read_teachers
from mmkd.recipes.weightless import strip_weights, without_weights
from mmkd.utils import UserError
from mmkd.utils.building.signatures import check_call
from mmkd.utils.checkpoints.publishing import publish, remove_earlier
from mmkd.utils.checkpoints.weights import STUDENT_PREFIX, choose_weights, plain
from mmkd.utils.command_line.trackers import add_trackers
from mmkd.utils.files.small import read_json
from mmkd.utils.given import Given

from .progress import ProgressHook


def is_finished(out: Path, config: Config) -> bool:
    """Whether the run in a folder has all its epochs behind it, and the validation after the last one."""
    try:
        epochs = [epoch_of(last_checkpoint(out))]
    except UserError:
        return False
    if config.get('val_dataloader'):
        epochs.append(read_json(out / MARK).get('epoch', 0))
    return min(epochs) >= config.train_cfg.max_epochs


def check_model(config: Config, build: bool) -> None:
    """Checks that the distiller of a config can be built: its taps, losses and shapes fit.

    Args:
        config: The config.
        build: Whether to build it, without weights and of copies of what was handed over; else only the names of its
            arguments are looked at, which is enough where it is trained at once.

    Raises:
        UserError: It cannot be built.
    """
    model = ConfigDict(config.model).to_dict()
    check_call(Distiller, Distiller.__init__, (), {key: value for key, value in model.items() if key != 'type'})
    if not build:
        return
    try:
        model = _copied(model, {})
    except Exception:  # some modules cannot be copied, and to build the distiller would change them
        return
    preprocessor = {key: config[key] for key in ('data_preprocessor', ) if key in config}
    model, _ = without_weights(Config(dict(model=model, **preprocessor)))
    with DefaultScope.overwrite_default_scope(config.get('default_scope')):
        Distiller(**{key: value for key, value in model.items() if key != 'type'})


def _copied(value: Any, memo: dict) -> Any:
    """A part of a config with copies of the objects that only this process has."""
    if isinstance(value, Given):
        return Given(copy.deepcopy(value.value, memo), value.what)
    if isinstance(value, Mapping):
        return {key: _copied(each, memo) for key, each in value.items()}
    return type(value)(_copied(each, memo) for each in value) if isinstance(value, list | tuple) else value


def train(config: Config, out: Path, resume: bool, progress: bool, trackers: Sequence[str] = ()) -> Runner:
    """Trains a config in a folder.

    Args:
        config: The config.
        out: The folder.
        resume: Whether to go on from its last checkpoint, if it has one.
        progress: Whether to show a bar in place of the log.
        trackers: Names of trackers; the run is called there as the folder around its own.
    """
    config.launcher, config.work_dir = 'none', str(out)
    config.resume, config.load_from = resume and (out / 'last_checkpoint').is_file(), None
    add_trackers(config, trackers, config.resume, out.resolve().parent.name)
    bar = ProgressHook()
    try:
        return train_config(config, validate=bool(config.get('val_dataloader')), hooks=[bar] if progress else [])
    finally:
        bar.close()


@contextmanager
def modules_kept(config: Config) -> Iterator[None]:
    """Gives teachers that were handed over back as they were: trainable, and in the mode that they had."""
    modules = [value.value for value in _given(config.model.get('teacher')) if isinstance(value.value, nn.Module)]
    modes = [(module, module.training) for given in modules for module in given.modules()]
    trainable = [(parameter, parameter.requires_grad) for given in modules for parameter in given.parameters()]
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
        for parameter, requires_grad in trainable:
            parameter.requires_grad_(requires_grad)


def _given(value: object) -> Iterator[Given]:
    if isinstance(value, Given):
        yield value
    for item in value.values() if isinstance(value, Mapping) else ():
        yield from _given(item)


def best_checkpoint(out: Path, best: str | None) -> tuple[Path, str]:
    """The checkpoint whose student is returned, and what to call its weights.

    Args:
        out: The run's folder.
        best: The figure by which the best is kept.
    """
    found = sorted(out.glob('best_*.pth'), key=lambda path: path.stat().st_mtime) if best else []
    if found:
        return found[-1], f'the best in validation by {best}, of epoch {epoch_of(found[-1])}'
    last = last_checkpoint(out)
    return last, f'the last, of epoch {epoch_of(last)}'


def student_from(config: Config, runner: Runner | None, weights: Mapping[str, Tensor]) -> nn.Module:
    """The student with the weights of a checkpoint, in eval mode and without the recorders of training.

    Args:
        config: What was trained.
        runner: Its runner; None if it had been trained before.
        weights: What :func:`own_weights` took out of the checkpoint.
    """
    if runner is not None:
        distiller = model_of(runner)
        if isinstance(distiller, Distiller):
            distiller.close()
        student = distiller.student
    else:
        spec = read_spec(config.model.student, 'student')
        student = spec.cfg['module'] if 'module' in spec.cfg else build_model(
            ModelSpec(strip_weights(spec.cfg), None), 'student')
    student.load_state_dict(dict(weights))
    return student.eval()


def own_weights(content: dict, source: str) -> dict[str, Tensor]:
    """The student's weights in a training checkpoint, under the names that the student itself has.

    Args:
        content: The checkpoint.
        source: Its path, for messages.
    """
    return {name.removeprefix(STUDENT_PREFIX): value.clone().contiguous()
            for name, value in choose_weights(content, source).tensors.items() if name.startswith(STUDENT_PREFIX)}


def publish_student(config: Config, content: dict, weights: dict[str, Tensor], out: Path) -> Path:
    """Writes the student's weights under a name with their hash, for mmpretrain's names or a module's own."""
    is_module = any(True for _ in _given(config.model.student))
    final = publish(content, weights if is_module else plain(weights), out / 'student.pth')
    remove_earlier(final)
    return final


def figures(out: Path, checkpoint: Path) -> dict[str, float]:
    """The figures of a checkpoint's epoch and of the teacher, as the log has them."""
    epoch = epoch_of(checkpoint)
    _, val = read_scalars(out)
    found = {name: value for name, value in val.get(epoch, {}).items()
             if isinstance(value, int | float) and name not in ('step', 'time', 'data_time', 'memory')}
    return found | dict(epoch=epoch) | {f'teacher/{name}': value for name, value in read_teachers(out).items()}
