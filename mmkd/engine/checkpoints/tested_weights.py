"""Testing the weights that a run validated."""
from mmengine.config import Config
from mmengine.runner import Runner
from torch import Tensor

from mmkd.distillers import Distiller
from mmkd.engine.models import model_of
from mmkd.utils.checkpoints.reading import load_strictly, read_checkpoint
from mmkd.utils.checkpoints.weights import (
    NAMES,
    RAW,
    STUDENT_PREFIX,
    choose_weights,
    plain,
    split_choice,
    validated_kinds,
)
from mmkd.zoo.index import find_checkpoint
from mmkd.zoo.loading import renamed


def tested_config(config: Config) -> Config:
    """Takes out of a training config what would bring other weights into the model that is tested.

    Args:
        config: Any config. Its ``load_from`` is loaded over a test's weights by MMEngine, and its ``EMAHook`` averages
            them.

    Returns:
        The config.
    """
    config.load_from, config.resume = None, False
    hooks = config.get('custom_hooks') or []
    config.custom_hooks = [hook for hook in hooks if not _is_average(hook)]
    return config


def _is_average(hook: object) -> bool:
    kind = hook.get('type') if isinstance(hook, dict) else type(hook)
    return str(getattr(kind, '__name__', kind)).rpartition('.')[2].endswith('EMAHook')


def test_weights(runner: Runner, checkpoint: str, which: str | None = None) -> dict[str, float]:
    """Tests a checkpoint.

    Args:
        runner: The runner.
        checkpoint: Path, URL or zoo name, also with ``#raw`` or ``#ema``.
        which: ``'raw'`` or ``'ema'``; None tests what the run validated. If that is both, the metrics of the raw
            weights end in ``_origin``, as in the training's log.

    Returns:
        The metrics.

    Raises:
        UserError: The file cannot be read or belongs to another model.
    """
    name, choice = split_choice(checkpoint)
    path = find_checkpoint(name)
    content = read_checkpoint(path)
    which = which or choice
    validated = validated_kinds(content) if isinstance(content, dict) else ()
    kinds = (which, ) if which or len(validated) < 2 else validated
    model = model_of(runner)
    metrics: dict[str, float] = {}
    for kind in kinds:
        chosen = choose_weights(content, path, kind)
        weights = renamed(plain(chosen.tensors), name, model.state_dict())
        if isinstance(model, Distiller):  # whose terms are tested
            weights = _of_distiller(chosen.tensors)
        what = f'{type(model).__name__} from {checkpoint}, {NAMES[chosen.kind]}'
        runner.logger.info(chosen.said)
        runner.logger.info(load_strictly(model, weights, what))
        suffix = '_origin' if len(kinds) > 1 and kind == RAW else ''
        metrics |= {f'{key}{suffix}': value for key, value in runner.test().items()}
    return metrics


def _of_distiller(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The names of a distiller: those of a training checkpoint, or of a student's file with their prefix."""
    if any(name.startswith(STUDENT_PREFIX) for name in weights):
        return weights
    return {f'{STUDENT_PREFIX}{name}': value for name, value in plain(weights).items()}


test_weights.__test__ = False  # type: ignore[attr-defined]  # it is no test of pytest's
