"""What a process sends in one training step."""
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from mmengine.config import Config
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmkd.distillers import Distiller
from mmkd.losses import CRDLoss

MIB = 2**20
FIRST_BUCKET = MIB  # of DDP, unless a recipe names a size, which then holds for the first as well
GRADIENTS, NORMS, CRD, CHECK = 'gradients', 'synchronised norms', 'CRD', 'check for NaN'
REDUCE, GATHER = 'all-reduce', 'all-gather'


class Message(NamedTuple):
    """One collective operation.

    Args:
        part: What for: a name of this module.
        kind: ``'all-reduce'`` or ``'all-gather'``.
        size: Bytes that one process brings.
    """
    part: str
    kind: str
    size: int


class Trial(NamedTuple):
    """What one pass forward and backward showed.

    Args:
        gradients: Parameters in the order in which their gradients arrived.
        forwards: How often each norm was run.
        backwards: How often a gradient went through it.
    """
    gradients: list[nn.Parameter]
    forwards: Counter[_BatchNorm]
    backwards: Counter[_BatchNorm]


def try_step(model: Distiller, batch: dict) -> Trial:
    """Runs a model forward and backward, and keeps what is sent in which order.

    Args:
        model: A distiller in training mode; its gradients are left out afterwards.
        batch: As the data loader gives it; a few images are enough.
    """
    trial = Trial([], Counter(), Counter())
    handles = [parameter.register_post_accumulate_grad_hook(trial.gradients.append)
               for parameter in model.parameters() if parameter.requires_grad]

    def before(norm: _BatchNorm, inputs: object) -> None:  # also in a repeated pass, which may end inside
        trial.forwards.update([norm] * norm.training)

    def after(norm: _BatchNorm, inputs: object, output: Tensor) -> None:
        if norm.training and output.requires_grad:
            output.register_hook(lambda grad: trial.backwards.update([norm]))

    for norm in model.modules():
        if isinstance(norm, _BatchNorm):
            handles += [norm.register_forward_pre_hook(before), norm.register_forward_hook(after)]
    try:
        losses = model(**model.data_preprocessor(batch, True), mode='loss')
        model.parse_losses(losses)[0].backward()
    finally:
        for handle in handles:
            handle.remove()
    model.zero_grad()
    return trial


def messages_of(model: Distiller, config: Config, trial: Trial, batch_size: int) -> list[Message]:
    """All messages of a step that updates the weights.

    MMEngine sends nothing for its log: it shows the first process's losses. Left out is what is sent once in many
    steps, or in the first ones only: gradient shares, estimates of a teacher's norm, checkpoints, validation.

    Args:
        model: The distiller.
        config: Its recipe: ``sync_bn``, and ``model_wrapper_cfg.bucket_cap_mb``.
        trial: What :func:`try_step` found.
        batch_size: Images that a process has.
    """
    cap = (config.get('model_wrapper_cfg') or {}).get('bucket_cap_mb')
    sizes = [(parameter.dtype, parameter.numel() * parameter.element_size()) for parameter in trial.gradients]
    found = [Message(GRADIENTS, REDUCE, size) for size in bucket_sizes(sizes, cap)]
    if config.get('sync_bn'):
        found += norm_messages(trial)
    for term in model.terms.values():
        if isinstance(term.loss, CRDLoss):
            found += crd_messages(term.loss, batch_size)
    return [*found, Message(CHECK, REDUCE, 4)]


def bucket_sizes(gradients: Iterable[tuple[torch.dtype, int]], cap_mb: float | None = None) -> list[int]:
    """Bytes of DDP's buckets after its first step, in which it learns the order of the gradients.

    A bucket is full with the gradient that reaches the limit, so it may be larger.

    Args:
        gradients: Type and bytes of each, in the order in which they arrive.
        cap_mb: DDP's ``bucket_cap_mb``; None for its default of 25 MiB behind a first one of 1 MiB.
    """
    limits = [FIRST_BUCKET, 25 * MIB] if cap_mb is None else [int(cap_mb * MIB)] * 2
    open_buckets: dict[torch.dtype, int] = {}
    limit: dict[torch.dtype, int] = {}
    full = []
    for dtype, size in gradients:
        open_buckets[dtype] = open_buckets.get(dtype, 0) + size
        if open_buckets[dtype] >= limit.setdefault(dtype, limits[0]):
            full.append(open_buckets.pop(dtype))
            limit[dtype] = limits[1]
    return full + list(open_buckets.values())


def norm_messages(trial: Trial) -> Iterator[Message]:
    """Of PyTorch's synchronised norms: means, deviations and a count forward, two sums a channel backward, in fp32."""
    for norm, times in trial.forwards.items():
        yield from [Message(NORMS, GATHER, 4 * (2 * norm.num_features + 1))] * times
    for norm, times in trial.backwards.items():
        yield from [Message(NORMS, REDUCE, 4 * 2 * norm.num_features)] * times


def crd_messages(loss: CRDLoss, batch_size: int) -> list[Message]:
    """Of :class:`~mmkd.losses.CRDLoss`: two constants, two embeddings an image, and the images' indices."""
    width = loss.embed_student.weight.element_size()
    return [Message(CRD, GATHER, 2 * width),
            Message(CRD, GATHER, batch_size * 2 * loss.embed_student.out_features * width),
            Message(CRD, GATHER, batch_size * 8)]
