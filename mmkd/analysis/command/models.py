"""The models that a command names."""
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import Tensor, nn

from mmkd.datasets.configured import gives_rgb, validation_split
from mmkd.distillers.inputs import image_channels, teacher_normalisation
from mmkd.distillers.models import build_with_report, is_model_name, named_model, read_spec
from mmkd.utils import UserError
from mmkd.utils.configs.finding import load_config
from mmkd.utils.randomness import unchanged_generators

RANDOM = 'random'
GREY = (0.299, 0.587, 0.114)  # of red, green, blue: ITU-R 601, as OpenCV and Pillow have it


@dataclass
class AnalysedModel:
    """A model that is looked at, in eval mode.

    Args:
        label: What it is called in pictures and tables.
        name: What the command line calls it.
        model: The model.
        weights: Where its weights are from.
        normalisation: ``mean``, ``std`` (for pixels in 0…255) and ``to_rgb`` of its images.
        channels: How many its images have.
        config: The config that it was built of, if it is one of a file.
    """
    label: str
    name: str
    model: nn.Module
    weights: str
    normalisation: dict
    channels: int = 3
    config: Config | None = None

    def normalise(self, images: Tensor) -> Tensor:
        """Brings images into the form that the model was trained with.

        Args:
            images: RGB, (N, 3, H, W), in 0…255.

        Returns:
            Floats of the same shape, or (N, 1, H, W) for a model of grey images.
        """
        images = images.float() if self.normalisation['to_rgb'] else images.float().flip(1)
        if self.channels == 1:
            images = F.conv2d(images, images.new_tensor(GREY).reshape(1, 3, 1, 1))
        mean, std = (torch.as_tensor(self.normalisation[key], dtype=torch.float32).reshape(-1, 1, 1).to(images.device)
                     for key in ('mean', 'std'))
        return (images - mean) / std

    def settings(self) -> dict:
        """What is written of it beside the numbers."""
        mean, std = (torch.as_tensor(self.normalisation[key]).flatten().tolist() for key in ('mean', 'std'))
        return dict(label=self.label, model=self.name, weights=self.weights, mean=mean, std=std,
                    to_rgb=self.normalisation['to_rgb'])


def split_model(text: str) -> tuple[str, str | None]:
    """Splits ``MODEL=CHECKPOINT``, of which either may have equals signs itself; no checkpoint is None.

    Raises:
        UserError: One of them is empty.
    """
    cuts = [] if Path(text).is_file() else [place for place, letter in enumerate(text) if letter == '=']
    cut = next((each for each in cuts if _names_model(text[:each])), cuts[0] if cuts else len(text))
    name, separator, checkpoint = text[:cut], text[cut:cut + 1], text[cut + 1:]
    if not name or separator and not checkpoint:
        raise UserError(f'a model expects MODEL or MODEL=CHECKPOINT, got {text!r}. Write, for example, '
                        'my_config.py=work_dirs/my_config/epoch_15.pth.')
    return name, checkpoint or None


def _names_model(text: str) -> bool:
    return is_model_name(text) or Path(text).is_file()


def build_models(texts: Sequence[str], labels: Sequence[str] | None = None, device: str = 'cpu') -> list[AnalysedModel]:
    """Builds the models that a command line names.

    Args:
        texts: ``MODEL`` or ``MODEL=CHECKPOINT`` each. A model is a config (of a recipe, its student), a name that
            :func:`mmkd.list_models` gives, ``timm:NAME`` or ``hf:NAME``. Without a checkpoint it gets the published
            weights, if it has any; ``MODEL=random`` gets random ones.
        labels: What they are called in pictures; None takes the ends of their names.
        device: Where they go.

    Raises:
        UserError: A model or its weights cannot be found or do not fit each other, or there are not as many labels.
    """
    if labels is not None and len(labels) != len(texts):
        raise UserError(f'--labels expects one label a model, got {len(labels)} for {len(texts)} '
                        f'model{"s" if len(texts) > 1 else ""}. Put a label with blanks in quotes.')
    chosen = labels or _labels(texts)
    if len(set(chosen)) < len(chosen):
        raise UserError(f'--labels expects labels that differ, got {", ".join(chosen)}. Give each model its own.')
    init_default_scope('mmpretrain')
    return [_built(text, label, device) for text, label in zip(texts, chosen, strict=True)]


def _labels(texts: Sequence[str]) -> list[str]:
    """The stems of the names; where two are the same, with the checkpoints."""
    stems = [Path(split_model(text)[0].rpartition(':')[2]).name.removesuffix('.py')
             for text in texts]
    return [stem if stems.count(stem) == 1 else f'{stem}={split_model(text)[1] or "published"}'
            for stem, text in zip(stems, texts, strict=True)]


def _built(text: str, label: str, device: str) -> AnalysedModel:
    name, checkpoint = split_model(text)
    role = f'model {name}'
    spec = named_model(name, role, pretrained=checkpoint is None)
    if checkpoint not in (None, RANDOM):
        spec['checkpoint'] = checkpoint
    config = load_config(spec['config']) if 'config' in spec else None
    read = read_spec(spec, role)
    with unchanged_generators():
        torch.manual_seed(0)
        model, report = build_with_report(read, role)
        if not report and not read.pretrained and hasattr(model, 'init_weights'):
            model.init_weights()
    matched = report.rpartition(': ')[2]
    weights = f'{spec["checkpoint"]} ({matched})' if report else 'published' if read.pretrained else RANDOM
    if weights == RANDOM:
        label = f'{label} (random weights)'
    loads_rgb = config is not None and gives_rgb(config, validation_split(config))
    normalisation = teacher_normalisation(model, read.cfg, loads_rgb)
    if normalisation is None:
        raise UserError(f'{role} expects a data_preprocessor that says how images are normalised, got none. Write it '
                        'into the config.')
    normalisation['to_rgb'] = normalisation['to_rgb'] != loads_rgb  # the flag turns what was loaded around
    model.eval()  # not chained: mmpretrain's backbones return None
    return AnalysedModel(label, text, model.to(device), weights, normalisation, image_channels(model), config)
