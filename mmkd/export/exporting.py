"""From a network to a file's content that was compared with it, as free in batch and size as the network allows."""
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mmkd.utils import UserError
from mmkd.utils.sizes import resized

from .comparing import LIMIT, Difference, check_finite, compare_outputs, worst
from .formats import BATCH, REASONED, SIZE, Run, check_packages, read, run_torch, ways, write
from .network import ExportedNetwork, attends, merged

FREEDOMS = ((BATCH, SIZE), (BATCH, ), ())


@dataclass(frozen=True)
class Exported:
    """A model that was written and compared.

    Args:
        content: Of the file.
        free: What may change from call to call: ``'batch'`` and ``'size'``.
        difference: From the model, over all batches that were compared.
        checked: The shapes of these batches.
        reasons: Why it is not freer, one text for each freedom that was tried.
    """
    content: bytes
    free: tuple[str, ...]
    difference: Difference
    checked: tuple[tuple[int, ...], ...]
    reasons: tuple[str, ...]


def export(network: ExportedNetwork, kind: str, pictures: Tensor, facts: Mapping[str, str], opset: int,
           fixed_size: bool = False, limit: float = LIMIT) -> Exported:
    """Writes a network in the freest form in which it computes what it did.

    Args:
        network: In eval mode. A merged copy is written, and compared with this one as it is.
        kind: ``'onnx'``, ``'torchscript'`` or ``'pt2'``.
        pictures: Images as the network takes them, (N, C, H, W), at the size to export for.
        facts: Name to text, kept in the file.
        opset: ONNX's version of the operators.
        fixed_size: Whether the network takes this size only.
        limit: The largest relative difference.

    Raises:
        UserError: In none of the forms it can be written, or it computes something else.
    """
    check_packages(kind, opset)
    names = network.output_names(pictures[:1])
    check_finite('the model', run_torch(network, pictures))
    other = None if fixed_size else _other_size(network, pictures)
    reasons = [] if other is not None else ['the model takes one size']
    written, example = merged(network), pictures[torch.arange(2) % len(pictures)]
    for free in FREEDOMS if other is not None else FREEDOMS[1:]:
        for way in ways(kind, opset):
            if way == REASONED and SIZE in free and attends(network):  # it would take minutes, or not end
                reasons.append(f'{way} cannot free the sizes of a model with attention')
                continue
            try:
                content = write(kind, way, written, example, free, names, dict(facts) | _freedom(free), opset)
                batches = _batches(pictures, other, free)
                difference = _compare(read(kind, content), network, batches, names)
            except Exception as error:  # whatever an exporter or a runtime makes of what it cannot take so freely
                reasons.append(_short(error))
                continue
            if difference.relative <= limit:
                checked = tuple(tuple(each.shape) for each in batches)
                return Exported(content, free, difference, checked, tuple(dict.fromkeys(reasons)))
            reasons.append(f'it differs from the model: {difference}')
    raise UserError(f'the model cannot be exported to {kind}: {reasons[-1].rstrip(".")}. Nothing was written. '
                    'Try another --format or --opset.')


def _freedom(free: Sequence[str]) -> dict[str, str]:
    return dict(dynamic=' '.join(free) or 'nothing')


def _other_size(network: nn.Module, pictures: Tensor) -> tuple[int, int] | None:
    """Another size that the network takes, not a square and no multiple of its stride if it can be; None if none."""
    height, width = pictures.shape[2:]
    for size in ((height + 32, width + 48), (2 * height, 2 * width)):
        try:
            run_torch(network, resized(pictures[:1], size))
        except Exception:  # whatever a model says of a size that it does not take
            continue
        return size
    return None


def _batches(pictures: Tensor, other: tuple[int, int] | None, free: Sequence[str]) -> list[Tensor]:
    """What is compared: two numbers of pictures and two sizes, where these are free."""
    if BATCH not in free:
        return [pictures[torch.arange(2) % len(pictures)]]
    if SIZE not in free or other is None:
        return [pictures, pictures[:1]]
    three = pictures[torch.arange(3) % len(pictures)]
    return [pictures, pictures[:1], resized(three, other), resized(pictures[:1], other)]


def _compare(run: Run, network: ExportedNetwork, batches: Sequence[Tensor], names: Sequence[str]) -> Difference:
    return worst([compare_outputs(run(each.numpy()), run_torch(network, each), names == ['logits'])
                  for each in batches])


def _short(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    return text if len(text) <= 200 else f'{text[:200]} …'
