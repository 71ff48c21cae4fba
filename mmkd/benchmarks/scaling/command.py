"""From a recipe and the times of one GPU to the step on several."""
from mmengine.config import Config

from mmkd.distillers import Distiller
from mmkd.utils import UserError

from .measured import Times
from .messages import messages_of, try_step
from .setting import Setting
from .step import Step


def batch_of(asked: int | None, times: Times | None, config: Config) -> int:
    """Images a step: those of the report, of the command line, or of the recipe.

    Raises:
        UserError: The first two differ.
    """
    measured = times.batch if times else None
    if asked and measured and asked != measured:
        raise UserError(f'--batch-size expects the {measured} images with which the times of --report were measured, '
                        f'got {asked}. Leave it out.')
    return asked or measured or config.train_dataloader.batch_size


def step_of(distiller: Distiller, config: Config, times: Times, setting: Setting, batch_size: int,
            images: dict) -> Step:
    """Puts a step together.

    Args:
        distiller: The built recipe.
        config: The recipe.
        times: Of one GPU.
        setting: What is assumed.
        batch_size: Images of a step of these times.
        images: A batch to try the step with, of any size.
    """
    messages = messages_of(distiller, config, try_step(distiller.train(), images), batch_size)
    cores = setting.cores_per_gpu or config.train_dataloader.get('num_workers') or 1
    taps = [tap.rpartition(':')[2] for term in distiller.terms.values() for tap in term.teacher_taps]
    fixed = not distiller.averages and set(taps) == {'logits'}  # a running average answers anew in each step
    return Step(
        batch_size, times.student, times.teacher,
        0. if times.step is None else times.step - times.student - times.teacher,
        setting.backward_share * times.student, tuple(messages), config.optim_wrapper.get('accumulative_counts', 1),
        setting.images_per_core, cores,
        setting.view_bytes if fixed else None)
