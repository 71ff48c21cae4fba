"""What training costs: time and memory of a step, and the time of the whole."""
import copy
import statistics
import time
from collections.abc import Callable, Iterator

import torch
from mmengine.optim import OptimWrapper
from torch import Tensor

from mmkd.utils.command_line.durations import clock

from .recipe import Finding, Recipe
from .training_step import optimizer_of


def check_cost(recipe: Recipe) -> Iterator[Finding]:
    """Time and memory of a step, and the time of the whole training on this device."""
    optimizer = optimizer_of(recipe)
    recipe.model.train()
    if recipe.device != 'cpu':
        torch.cuda.reset_peak_memory_stats(recipe.device)
    batches = recipe.batches('train')
    step = _median_seconds(recipe, lambda batch: recipe.model.train_step(batch, optimizer))
    images = len(batches[0]['data_samples'])
    text = f'{_ms(step)} a step of {images} images, {images / step:.0f} images/s'
    if recipe.distiller is not None:
        text += f'; of these {_ms(_teacher_seconds(recipe))} are for the teacher'
    workers = recipe.config.train_dataloader.get('num_workers', 0)
    waiting = recipe.loading_seconds / max(workers, 1)
    whole = max(step, waiting) if workers else step + waiting
    text += f'; loading a batch takes {_ms(recipe.loading_seconds)} in one process (num_workers={workers})'
    yield Finding('ok', f'{text}.') if not workers or waiting < step else Finding(
        'warning', f'{text}, so training waits for the images. Raise train_dataloader.num_workers.')
    iterations = recipe.length[1]
    yield Finding('ok', f'the whole training of {iterations:,} iterations takes about {clock(whole * iterations)} on '
                  f'this {recipe.device} alone, without validation.')
    yield _memory(recipe, optimizer)


def _median_seconds(recipe: Recipe, run: Callable[[dict], object]) -> float:
    """The median over all batches, after one to warm up."""
    batches = recipe.batches('train')
    times = []
    for batch in [batches[0], *batches]:
        batch = copy.deepcopy(batch)
        start = time.perf_counter()
        run(batch)
        if recipe.device != 'cpu':
            torch.cuda.synchronize(recipe.device)
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def _teacher_seconds(recipe: Recipe) -> float:
    def run(batch: dict) -> None:
        data = recipe.model.data_preprocessor(batch, True)
        for teacher in recipe.distiller.teachers.values():
            teacher(data['inputs'], data['data_samples'])

    return _median_seconds(recipe, run)


def _memory(recipe: Recipe, optimizer: OptimWrapper) -> Finding:
    own, teachers = [*recipe.model.parameters(), *recipe.model.buffers()], []
    if recipe.distiller is not None:
        teachers = [p for role, model in recipe.single_models().items() if role != 'student'
                    for p in [*model.parameters(), *model.buffers()]]
    states = [value for state in optimizer.optimizer.state.values() for value in state.values()
              if isinstance(value, Tensor)]
    parts = {'model': _bytes(own), 'gradients': _bytes([p for p in own if p.requires_grad]),
             'optimizer': _bytes(states), 'teachers': _bytes(teachers)}
    parts['activations kept for the backward pass'] = recipe.activations
    counted = ', '.join(f'{name} {_mb(size)}' for name, size in parts.items() if size)
    text = f'memory: {_mb(sum(parts.values()))} counted ({counted}), without passing buffers'
    if recipe.device != 'cpu':
        text += f'; measured peak of a step: {_mb(torch.cuda.max_memory_allocated(recipe.device))}'
    return Finding('ok', f'{text}.')


def _bytes(tensors: list[Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _mb(size: float) -> str:
    return f'{size / 2**20:,.1f} MiB'


def _ms(seconds: float) -> str:
    return f'{1000 * seconds:,.1f} ms'
