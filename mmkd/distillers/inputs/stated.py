"""How images were normalised in the run that wrote a checkpoint, by the config in it."""
from mmkd.datasets.configured import gives_rgb
from mmkd.utils import UserError
from mmkd.utils.building.build import is_distiller
from mmkd.utils.configs.literal import read_literally


def stated_normalisation(text: object, loads_rgb: bool = False) -> dict | None:
    """Reads the normalisation of a checkpoint's model from the text of its run's config, which is not run.

    Args:
        text: The config; of a distillation recipe, the student is the model.
        loads_rgb: Whether the images now come in RGB; see :class:`~mmkd.distillers.Distiller`.

    Returns:
        ``mean``, ``std`` (per channel, pixels 0…255) and ``to_rgb``; None where the config does not say it.
    """
    config = read_literally(text) if isinstance(text, str) else {}
    model = config.get('model') if isinstance(config.get('model'), dict) else {}
    student = model.get('student') if is_distiller(model) else None
    stated = (model.get('data_preprocessor') or config.get('data_preprocessor')
              or (student.get('data_preprocessor') if isinstance(student, dict) else None))
    mean, std = (_numbers(stated.get(key)) for key in ('mean', 'std')) if isinstance(stated, dict) else ((), ())
    if not mean or not std or len(mean) != len(std) or min(std) <= 0:
        return None
    turned = any(stated.get(key) is True for key in ('to_rgb', 'bgr_to_rgb', 'rgb_to_bgr'))
    return dict(mean=mean, std=std, to_rgb=turned != (_gave_rgb(config) != loads_rgb))


def _gave_rgb(config: dict) -> bool:
    try:
        return gives_rgb(config, 'train')
    except (UserError, AttributeError, TypeError):  # the file may be anything
        return False


def _numbers(values: object) -> tuple[float, ...]:
    is_list = isinstance(values, list) and all(type(value) in (int, float) for value in values)
    return tuple(float(value) for value in values) if is_list else ()
