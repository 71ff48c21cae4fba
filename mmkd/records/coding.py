"""From a teacher's tensors to records, and back."""
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from mmkd.utils import UserError

from .formats import ALL, LOGITS, RecordFormat

UNDERFLOW = 104.  # below a maximum by this much, an exponential in fp32 is 0
TORCH = {'fp32': torch.float32, 'fp16': torch.float16}


def encode(tensors: Mapping[str, Tensor], format: RecordFormat, labels: Tensor | None,
           checksums: Sequence[int]) -> np.ndarray:
    """Makes the records of a batch; their ``crc`` is the writer's.

    Args:
        tensors: Tap name to tensor; ``'logits'`` (N, C), features (N, …).
        format: What is kept of them.
        labels: Class indices (N,), or soft labels (N, C), of which the highest counts; None without labels. One that
            is no class of the teacher counts as none.
        checksums: Those of the views.

    Returns:
        A structured array (N,).

    Raises:
        UserError: A tensor is not finite, or has another shape than the format says.
    """
    rows = np.zeros(len(checksums), format.record)
    rows['checksum'] = checksums
    labels = None if labels is None else (labels.argmax(1) if labels.dim() == 2 else labels).reshape(-1).long()
    if labels is not None:
        known = (labels >= 0) & (labels < (format.classes or format.no_label))
        labels = torch.where(known, labels, format.no_label)
    rows['label'] = format.no_label if labels is None else labels.cpu().numpy()
    if format.classes:
        logits = _finite(LOGITS, tensors[LOGITS], (format.classes, ), len(rows))
        _encode_logits(rows, logits, format, None if labels is None else labels.to(logits.device))
    for place, (name, tap) in enumerate(format.taps.items()):
        value = pooled(tensors[name]) if tap.pooled else tensors[name]
        kept = _finite(name, value, tap.shape, len(rows)).to(TORCH[tap.dtype])
        _finite(name, kept, tap.shape, len(rows), ' in fp16, which ends at 65,504. Keep this tap in fp32')
        rows[f'tap{place}'] = kept.cpu().numpy()
    return rows


def pooled(value: Tensor) -> Tensor:
    """Maps (N, C, H, W) and tokens (N, L, C) averaged over their places; vectors as they are."""
    places = {3: (1, ), 4: (2, 3)}.get(value.dim())
    return value.float() if places is None else value.float().mean(places)


def _finite(name: str, value: Tensor, shape: tuple[int, ...], count: int, where: str = '') -> Tensor:
    if tuple(value.shape) != (count, *shape):
        raise UserError(f'the record of {name} expects the shape {(count, *shape)}, got {tuple(value.shape)}. Images '
                        'of one size are needed, and one tensor a tap.')
    bad = ~torch.isfinite(value.flatten(1)).all(1)
    if bad.any():
        place = int(bad.nonzero()[0])
        raise UserError(f'the record of {name} expects finite numbers, got NaN or inf from the teacher for image '
                        f'{place} of a batch{where or ". Check its weights, or run it in fp32"}.')
    return value.float() if not where else value


def _encode_logits(rows: np.ndarray, logits: Tensor, format: RecordFormat, labels: Tensor | None) -> None:
    if format.topk == ALL:
        if format.dtype == 'fp16':
            shift = logits.max(1).values
            rows['shift'] = shift.cpu().numpy()
            logits = logits - shift[:, None]
            if (logits < torch.finfo(torch.float16).min).any():
                raise UserError('logits in fp16 expect to lie within 65,504 of the highest, got some that do not. Keep '
                                'them in fp32.')
        rows['values'] = logits.to(TORCH[format.dtype]).cpu().numpy()
        return
    values, ids = logits.topk(format.kept, dim=1)
    target = ids[:, :1]  # (N, 1)
    if labels is not None:
        target = torch.where(labels == format.no_label, ids[:, 0], labels)[:, None]
    others = logits.scatter(1, ids, -torch.inf)
    rows['ids'], rows['values'] = ids.cpu().numpy(), values.cpu().numpy()
    rows['target'] = logits.gather(1, target)[:, 0].cpu().numpy()
    rows['rest'] = others.scatter(1, target, -torch.inf).logsumexp(1).cpu().numpy()


def decode(rows: np.ndarray | Sequence[np.ndarray], format: RecordFormat) -> dict[str, Tensor]:
    """Makes tensors of records, on the CPU and in fp32.

    Of a top k, the logits are dense: those that were kept are as the teacher gave them, and all others share what is
    left evenly. Their softmax gives the kept classes exactly their probabilities, and each other class an even part of
    what is missing to 1.

    Args:
        rows: A structured array (N,), or raw records.
        format: What they hold.

    Returns:
        Tap name to tensor (N, …).
    """
    rows = format.rows(rows)
    tensors = {}
    if format.classes:
        tensors[LOGITS] = _all_logits(rows, format) if format.topk == ALL else _spread_logits(rows, format)
    for place, name in enumerate(format.taps):
        tensors[name] = _tensor(rows[f'tap{place}'])
    return tensors


def _all_logits(rows: np.ndarray, format: RecordFormat) -> Tensor:
    values = _tensor(rows['values'])
    return values + _tensor(rows['shift'])[:, None] if format.dtype == 'fp16' else values


def _spread_logits(rows: np.ndarray, format: RecordFormat) -> Tensor:
    ids, values = torch.from_numpy(rows['ids'].astype(np.int64)), _tensor(rows['values'])
    rest, target = _tensor(rows['rest'])[:, None], _tensor(rows['target'])[:, None]
    labels = torch.from_numpy(rows['label'].astype(np.int64))[:, None]
    labels = torch.where(labels == format.no_label, ids[:, :1], labels)
    outside = (ids != labels).all(1, keepdim=True)  # whether the label is none of the top k
    others = format.classes - format.kept - outside.long()
    even = rest - others.clamp_min(1).log()
    best = values[:, :1]
    floor = best - (best.abs() * 1e-6).clamp_min(UNDERFLOW)  # of huge logits less would be rounded away
    logits = torch.maximum(even, floor).expand(-1, format.classes).clone()
    logits.scatter_(1, labels, target)
    return logits.scatter_(1, ids, values)


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(values, '<f4', order='C'))  # of one record, strides may be odd



def top1(rows: np.ndarray, format: RecordFormat) -> tuple[int, int]:
    """How many of some records have a label, and of how many that is the teacher's first class."""
    labelled = rows['label'] != format.no_label
    if not format.classes or not labelled.any():
        return 0, 0
    best = rows['values'].argmax(1) if format.topk == ALL else rows['ids'][:, 0]
    return int(labelled.sum()), int((best == rows['label'])[labelled].sum())
