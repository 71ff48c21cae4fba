"""Trains the demo's student twice from the same weights, on the same images: alone, and distilled."""
import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn
from torch.nn import functional as F

from mmkd.distillers import Distiller
from mmkd.distillers.inputs import samples_for
from mmkd.utils.configs.finding import load_config
from mmkd.utils.randomness import generator_of

RECIPE = 'quickstart/convnest-mini_slak-mini-kd_digits-5shot.py'
TEACHER = 'quickstart/slak-micro_digits.py'
WEIGHT = 4.0  # of the term: with so few steps, more than the recipe's 1
KINDS = ('alone', 'distilled')
LEAST, MOST = 10, 200  # steps; the quick start's students learn for 200
TRIED = 3  # steps that tell how long one takes
PADDING, JITTER = 4, 0.3  # as in the quick start's recipes
RATE, LAST_RATE, DECAY, WARM_UP = 5e-3, 1e-5, 0.05, 0.1  # likewise; the warm-up is a share of all steps


@dataclass(frozen=True)
class Digits:
    """Pictures of digits.

    Args:
        pixels: RGB from 0 to 255, (N, 3, H, W).
        labels: Their classes, (N,).
    """
    pixels: Tensor
    labels: Tensor


def build_distiller(teacher: Path, seed: int, device: str) -> Distiller:
    """Builds the quick start's KD recipe with a smaller teacher.

    Args:
        teacher: File of the teacher's weights.
        seed: Decides the student's initial weights.
        device: Where to put it.
    """
    recipe = load_config(RECIPE, {'model.terms.kd.weight': WEIGHT}).model
    distiller = Distiller(recipe.student, dict(config=TEACHER, checkpoint=str(teacher)), recipe.terms,
                          recipe.task_weight, recipe.input_size)
    torch.manual_seed(seed)
    distiller.init_weights()
    return distiller.to(device)


def normalised(model: BaseModel, pixels: Tensor) -> Tensor:
    """Images as the models want them."""
    preprocessor = model.data_preprocessor
    return (pixels - preprocessor.mean) / preprocessor.std


def augmented(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Moves each image by up to four pixels, and changes its brightness and contrast, as the quick start does."""
    count, _, height, width = pixels.shape
    padded = F.pad(pixels, (PADDING, ) * 4, mode='replicate')
    top, left = torch.randint(2 * PADDING + 1, (2, count, 1, 1), generator=generator).to(pixels.device)
    rows = top + torch.arange(height, device=pixels.device)[:, None]  # (N, H, 1)
    columns = left + torch.arange(width, device=pixels.device)  # (N, 1, W)
    index = torch.arange(count, device=pixels.device)[:, None, None]
    moved = padded.permute(0, 2, 3, 1)[index, rows, columns].permute(0, 3, 1, 2)  # (N, 3, H, W)
    bright, contrast = (1 + JITTER * (2 * torch.rand(2, count, 1, 1, 1, generator=generator) - 1)).to(pixels.device)
    moved = moved * bright
    grey = moved.mean((1, 2, 3), keepdim=True)
    return ((moved - grey) * contrast + grey).clamp(0, 255)


def train(distiller: Distiller, kind: str, digits: Digits, steps: int, seed: int) -> Iterator[None]:
    """Trains the distiller's student; yields after each step.

    Args:
        distiller: Has the student with its initial weights.
        kind: ``'alone'`` or ``'distilled'``.
        digits: All of them are in each batch.
        steps: How many.
        seed: Decides the augmentation.
    """
    groups: dict[bool, list[nn.Parameter]] = {True: [], False: []}
    for parameter in distiller.parameters():
        groups[parameter.ndim > 1].append(parameter)  # norms, biases and scales do not decay
    optimizer = torch.optim.AdamW([dict(params=groups[True], weight_decay=DECAY),
                                   dict(params=groups[False], weight_decay=0.)], lr=RATE)
    generator, samples = generator_of(seed), samples_for(distiller.student, digits.labels)
    distiller.train()
    for step in range(steps):
        for group in optimizer.param_groups:
            group['lr'] = rate(step, steps)
        images = normalised(distiller, augmented(digits.pixels, generator))
        if kind == 'alone':
            loss = distiller.student(images, samples, mode='loss')['loss']
        else:
            loss = distiller.total(distiller(images, digits.labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield


def rate(step: int, steps: int) -> float:
    """The learning rate: a linear warm-up, then half a cosine."""
    warm_up = max(1, round(WARM_UP * steps))
    if step < warm_up:
        return RATE * (step + 1) / warm_up
    return LAST_RATE + (RATE - LAST_RATE) * (1 + math.cos(math.pi * (step - warm_up) / (steps - warm_up))) / 2


@torch.no_grad()
def predict(model: BaseModel, pixels: Tensor, batch: int = 100) -> Tensor:
    """The probability that a classifier gives to each class, (N, 10)."""
    model.eval()
    return torch.cat([torch.stack([sample.pred_score for sample in model(
        normalised(model, part), samples_for(model, torch.zeros(len(part), dtype=torch.long)), mode='predict')])
        for part in pixels.split(batch)]).cpu()


def top1(scores: Tensor, labels: Tensor) -> float:
    """Top-1 in percent."""
    return 100 * (scores.argmax(1) == labels.cpu()).double().mean().item()


def affordable_steps(distiller: Distiller, digits: Digits, seconds: float) -> int:
    """How many steps both trainings can make in some seconds, by the pace of the first; the weights stay."""
    initial, spent = copy.deepcopy(distiller.state_dict()), 0.0
    for kind in KINDS:
        steps = train(distiller, kind, digits, TRIED, seed=0)
        next(steps)  # the first one chooses and compiles kernels
        start = time.perf_counter()
        for _ in steps:
            pass
        spent += (time.perf_counter() - start) / (TRIED - 1)
    distiller.load_state_dict(initial)
    return min(MOST, max(LEAST, int(seconds / spent)))


def compare(distiller: Distiller, train_digits: Digits, held_out: Digits, steps: int, seed: int,
            on_step: Callable[[], object] = lambda: None) -> dict[str, Tensor]:
    """Trains both students.

    Args:
        distiller: Has the student with its initial weights, with which both begin.
        train_digits: What they learn from.
        held_out: What they are tried on.
        steps: Of each.
        seed: Of the augmentation.
        on_step: Is called after each step.

    Returns:
        ``'alone'`` and ``'distilled'`` to the probabilities for the digits held out, (N, 10).
    """
    initial, scores = copy.deepcopy(distiller.state_dict()), {}
    for kind in KINDS:
        distiller.load_state_dict(initial)
        for _ in train(distiller, kind, train_digits, steps, seed):
            on_step()
        scores[kind] = predict(distiller.student, held_out.pixels)
    return scores
