"""One real training step: losses and gradients."""
import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from mmengine.optim import OptimWrapper, build_optim_wrapper
from torch import Tensor, nn

from mmkd.distillers.schedule import Progress
from mmkd.utils.building.build import type_name

from .recipe import Finding, MissingError, Recipe

FAR_APART = 1000


@dataclass(frozen=True)
class Step:
    """What one forward and backward pass gave.

    Args:
        losses: Name to value of all that is summed, with the weights that it has at the start.
        without: Trainable parameters without a gradient.
        zero: Those with a gradient of zeros only.
        broken: Those with a gradient that is not finite.
        activations: Bytes kept from the forward for the backward pass, parameters left out.
    """
    losses: dict[str, float]
    without: list[str]
    zero: list[str]
    broken: list[str]
    activations: int


def first_step(model: nn.Module, batch: dict, optimizer: OptimWrapper) -> Step:
    """Runs one forward and backward pass in training mode, without a step of the optimizer.

    Args:
        model: The model, on its device.
        batch: What the data loader gave.
        optimizer: Its wrapper, for mixed precision.
    """
    model.train()
    model.zero_grad()
    data = model.data_preprocessor(copy.deepcopy(batch), True)
    with SavedBytes(model) as saved, optimizer.optim_context(model):
        losses = model._run_forward(data, mode='loss')
    total, log = model.parse_losses(losses)
    if total.requires_grad:
        total.backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.requires_grad}
    found = {name: grad for name, grad in gradients.items() if grad is not None}
    return Step({name: float(value.detach()) for name, value in log.items() if 'loss' in name},
                [name for name, grad in gradients.items() if grad is None],
                [name for name, grad in found.items() if not grad.any()],
                [name for name, grad in found.items() if not grad.isfinite().all()],
                saved.total)


class SavedBytes(torch.autograd.graph.saved_tensors_hooks):
    """Counts the bytes that a forward pass keeps for the backward pass, each tensor's memory once.

    Args:
        model: Its parameters and buffers are not counted.
    """

    def __init__(self, model: nn.Module) -> None:
        own = {tensor.untyped_storage().data_ptr() for tensor in [*model.parameters(), *model.buffers()]}
        self.storages: dict[int, int] = {}

        def pack(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in own:
                self.storages[storage.data_ptr()] = storage.nbytes()
            return tensor

        super().__init__(pack, lambda tensor: tensor)

    @property
    def total(self) -> int:
        """The bytes so far."""
        return sum(self.storages.values())

    def __enter__(self) -> 'SavedBytes':
        super().__enter__()
        return self


def optimizer_of(recipe: Recipe) -> OptimWrapper:
    """The recipe's optimizer; without mixed precision on the CPU, where MMEngine has none.

    Raises:
        MissingError: The config has no training.
    """
    if recipe.config.get('optim_wrapper') is None:
        raise MissingError
    cfg = copy.deepcopy(recipe.config.optim_wrapper)
    if recipe.device == 'cpu' and type_name(cfg) == 'AmpOptimWrapper':
        cfg['type'] = 'OptimWrapper'
        for key in ('loss_scale', 'dtype', 'use_fsdp'):
            cfg.pop(key, None)
    return build_optim_wrapper(recipe.model, cfg)


def check_gradients(recipe: Recipe) -> Iterator[Finding]:
    """Every loss is finite, and every trainable parameter gets a finite gradient other than zero."""
    model, batch, optimizer = recipe.model, recipe.batches('train')[0], optimizer_of(recipe)
    step = first_step(model, batch, optimizer)
    recipe.activations = step.activations
    yield _losses_finding(recipe, step.losses)
    zero = step.zero
    if zero and not step.broken:  # some lie behind layers that start at zero, and learn once these have moved
        optimizer.optimizer.step()
        zero = [name for name in first_step(model, batch, optimizer).zero if name in zero]
    trainable = sum(p.requires_grad for p in model.parameters())
    if step.broken:
        yield Finding('error', f'{_few(step.broken)} of {trainable} trainable parameters get a gradient that is not '
                      'finite. Check the losses above and their settings.')
    if step.without:
        yield Finding('error', f'{_few(step.without)} of {trainable} trainable parameters get no gradient, which '
                      'stops training on several GPUs. Freeze them, or let a term or the task loss use them.')
    if zero:
        yield Finding('warning', f'{_few(zero)} of {trainable} trainable parameters get a gradient of zeros only, so '
                      'they learn nothing. Look for a weight of 0, or for parts that no loss depends on.')
    if not (step.broken or step.without or zero):
        yield Finding('ok', f'all {trainable} trainable parameters get a finite gradient other than zero.')


def _losses_finding(recipe: Recipe, losses: dict[str, float]) -> Finding:
    terms = dict(recipe.distiller.terms.items()) if recipe.distiller is not None else {}
    texts, weighted = [], {}
    for name, value in losses.items():
        term = terms.get(name.removeprefix('loss_'))
        now = term.weight.at(Progress()) if term is not None else 0
        if now:
            weighted[name] = value / now * term.weight.value
            texts.append(f'{name} {value / now:.4g} × {term.weight.value:g} = {weighted[name]:.4g}')
        elif name != 'loss' or len(losses) == 1:
            texts.append(f'{name} {value:.4g}')
    text = ', '.join(texts)
    if not all(map(math.isfinite, losses.values())):
        return Finding('error', f'{text}: not finite. Check the images, the weights and the settings of that loss.')
    task = losses.get('task_loss', 0.)
    apart = [name for name, value in weighted.items() if task and not
             1 / FAR_APART < abs(value) / abs(task) < FAR_APART]
    if apart:
        return Finding('warning', f'{text}: {", ".join(apart)} and the task loss differ by a factor of more than '
                       f'{FAR_APART}. Check the weights.')
    return Finding('ok', f'{text}.')


def _few(names: list[str]) -> str:
    return f'{len(names)} ({", ".join(names[:3])}{", …" if len(names) > 3 else ""})'
