"""What is exported: a model with its weights, and the config that says how it sees images."""
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config
from torch import nn

from mmkd.datasets.configured import dataset_of, validation_split
from mmkd.distillers.inputs import as_size, fixed_input_size
from mmkd.distillers.models import build_model, read_spec, student_config
from mmkd.utils import UserError
from mmkd.utils.building.build import is_distiller
from mmkd.utils.checkpoints.reading import read_checkpoint
from mmkd.utils.checkpoints.weights import split_choice
from mmkd.utils.configs.finding import config_root, load_config
from mmkd.zoo import model_index
from mmkd.zoo.checkpoint_meta import read_meta
from mmkd.zoo.index import find_checkpoint

from .network import InputForm, input_form
from .stated import stated_normalisations

TIMM = 'timm:'


@dataclass(frozen=True)
class Source:
    """A model to export.

    Args:
        name: What it is called, for the name of the file.
        model: In eval mode.
        config: The config; of a recipe, with the student as its model. None for a timm model alone.
        said: Where the config was found.
        form: What the model expects of its images.
        fixed_size: The only height and width that it takes, or None.
        size: Height and width that its config names, or None.
        classes: Their names, if the checkpoint has them.
    """
    name: str
    model: nn.Module
    config: Config | None
    said: str
    form: InputForm
    fixed_size: tuple[int, int] | None
    size: tuple[int, int] | None
    classes: tuple[str, ...]


def open_source(checkpoint: str, config_name: str | None = None) -> Source:
    """Builds the model of a checkpoint and loads its weights strictly.

    Args:
        checkpoint: A published student, a training checkpoint (of which the student is taken, with the weights that
            were validated, or those that ``#raw`` or ``#ema`` name), a URL, a name of the index, or ``timm:NAME``.
        config_name: Its config, or ``timm:NAME``; None to find it by the name of the file or of the run.

    Raises:
        UserError: The weights or the config cannot be found or do not belong together.
    """
    alone = checkpoint.startswith(TIMM)
    config_name = checkpoint if alone else config_name
    said = 'as given' if config_name else ''
    if config_name is None:
        config_name, said = known_config(split_choice(checkpoint)[0])
    if config_name.startswith(TIMM):
        recipe, spec = None, read_spec(dict(timm=config_name.removeprefix(TIMM), pretrained=alone), 'the model')
    else:
        recipe = load_config(config_name)
        spec = read_spec(dict(config=config_name), 'the model')
    spec.checkpoint = None if alone else checkpoint
    model = build_model(spec, 'student')
    model.eval()  # which returns nothing for some backbones of mmpretrain's
    config = None if recipe is None else student_config(recipe)
    stated = recipe.model.get('input_size') if recipe is not None and is_distiller(recipe.model) else None
    return Source(
        name=re.sub(r'\W+', '-', checkpoint.removeprefix(TIMM)) if alone else Path(split_choice(checkpoint)[0]).stem,
        model=model, config=config, said=f'{config_name} ({said})',
        form=input_form(model, spec.cfg, _loads_rgb(config)), fixed_size=fixed_input_size(model, spec.cfg),
        size=None if stated is None else as_size(stated),
        classes=() if alone else _classes(checkpoint))


def known_config(checkpoint: str) -> tuple[str, str]:
    """Finds the config of a checkpoint among mmkd's own: that of its name in the index, or of the run that made it.

    The config that a training checkpoint has inside is not used: to read it would run it.

    Args:
        checkpoint: A path, a URL or a name of the index.

    Returns:
        The config, and how it was found.

    Raises:
        UserError: Nothing says it, or the run was made with another of the same name.
    """
    index = model_index()
    stem = Path(checkpoint).name
    for name, entry in index.items():
        if checkpoint == name or entry.get('Weights') and Path(entry['Weights']).name == stem:
            return entry['Config'].removeprefix('configs/'), 'by the model index'
    meta = read_checkpoint(find_checkpoint(checkpoint))
    meta = meta.get('meta') if isinstance(meta, Mapping) else None
    run = str(meta.get('experiment_name', '')) if isinstance(meta, Mapping) else ''
    run = re.sub(r'_\d{8}_\d{6}$', '', run)
    found = [path for path in config_root().rglob('*.py') if run and path.stem == run]
    if len(found) == 1:
        _check_same_images(checkpoint, str((meta or {}).get('cfg') or ''), found[0])
        return str(found[0].relative_to(config_root())), 'by the name of its run, --config names another'
    beside = _written_config(Path(checkpoint), run)
    raise UserError(f'an export of {checkpoint} expects its config, and neither the model index nor the name of its '
                    f'run ({run or "none"}) says it. Give --config CONFIG{beside}.')


def _check_same_images(checkpoint: str, text: str, path: Path) -> None:
    """Raises a UserError if a run of this name was made with images that are normalised otherwise."""
    own, ours = stated_normalisations(text), stated_normalisations(load_config(str(path)).pretty_text)
    if own and set(own) != set(ours):
        raise UserError(f'an export of {checkpoint} expects the config of its run, and the one of that name, '
                        f'{path.name}, normalises images otherwise. Give --config CONFIG'
                        f'{_written_config(Path(checkpoint), path.stem)}.')


def _written_config(checkpoint: Path, run: str) -> str:
    """Where MMEngine has written the run's config, if it is still there."""
    written = checkpoint.parent / f'{run}.py'
    return f', such as {written}' if run and written.is_file() else ''


def _classes(checkpoint: str) -> tuple[str, ...]:
    """The names that a checkpoint has of its classes."""
    meta = read_meta(checkpoint).get('meta') or {}
    data = meta.get('dataset_meta')
    names = data.get('classes', data.get('CLASSES')) if isinstance(data, Mapping) else meta.get('CLASSES')
    return tuple(map(str, names)) if isinstance(names, list | tuple) else ()


def validation_data(config: Config | None) -> dict | None:
    """The config of the validation set, inside its wrappers; of the test set if there is no other."""
    split = None if config is None else validation_split(config)
    return None if config is None or split is None else dataset_of(config, split)


def transform_types(dataset: dict | None) -> Iterator[str]:
    """The names of a data set's transforms, without their scopes."""
    for transform in (dataset or {}).get('pipeline') or ():
        yield str(transform.get('type')).rpartition('.')[2]


def _loads_rgb(config: Config | None) -> bool:
    """Whether the data set has its pictures in memory, as CIFAR's, which are RGB; files are read as BGR."""
    dataset = validation_data(config)
    return bool(dataset) and 'pipeline' in dataset and not any('Load' in name for name in transform_types(dataset))
