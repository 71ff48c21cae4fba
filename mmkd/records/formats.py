"""What one record holds: a view's checksum and label, the teacher's logits, and features."""
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from mmkd.utils import UserError

ALL = 'all'
LOGITS = 'logits'
HEAD = 512  # bytes at the beginning of a file of records
FLOATS = {'fp32': '<f4', 'fp16': '<f2'}
LARGEST = 2**30  # bytes of a record; NumPy has a limit of its own above it
MOST_SIDES = 8
NARROW = 65_535  # classes whose ids, and one that stands for no label, fit into 16 bits


@dataclass(frozen=True)
class TapFormat:
    """How the features of a tap are kept.

    Args:
        shape: Their shape without the batch, as it is kept.
        dtype: ``'fp32'`` or ``'fp16'``.
        pooled: Whether maps and tokens are averaged over their places, so that (C,) is kept.
    """

    shape: tuple[int, ...]
    dtype: str = 'fp32'
    pooled: bool = False

    def __post_init__(self) -> None:
        _check_dtype('a tap', self.dtype)
        if len(self.shape) > MOST_SIDES or not all(type(side) is int and side > 0 for side in self.shape):
            raise UserError(f'a tap expects a shape of positive sides, got {self.shape!r}. Correct it.')


@dataclass(frozen=True)
class RecordFormat:
    """The layout of a record: fixed size, little-endian, without padding.

    A record holds ``crc`` (16 bits over the rest, the epoch and the index; 0 is no record), ``checksum`` (of the view's
    pixels), ``label`` (the target class; the highest number is none), and

    - with ``topk=k``: ``ids`` and ``values`` of the k highest logits, highest first, ``target``, the logit of the
      label, and ``rest``, the logarithm of the sum of the exponentials of all other logits. Values are logits as the
      teacher gave them, in fp32;
    - with ``topk='all'``: ``values``, all logits, in fp32; or in fp16 below their maximum ``shift``;
    - ``tap0``, ``tap1`` …: features.

    Args:
        classes: Number of the teacher's classes; 0 for a teacher whose logits are not kept.
        topk: How many logits are kept, or ``'all'``.
        dtype: Of all logits: ``'fp32'`` or ``'fp16'``. Those of a top k are fp32.
        taps: Tap name to the form of its features.
    """

    classes: int
    topk: int | str = 10
    dtype: str = 'fp32'
    taps: Mapping[str, TapFormat] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_dtype('a record', self.dtype)
        if type(self.classes) is not int or not 0 <= self.classes < 2**32 - 1:
            raise UserError(f'a record expects a number of classes, got {self.classes!r}. Correct it.')
        if self.topk != ALL and (type(self.topk) is not int or self.topk < 1):
            raise UserError(f"a record expects topk to be 1 or more, or 'all', got {self.topk!r}. Correct it.")
        values = 3 * self.kept + sum(math.prod(tap.shape) for tap in self.taps.values())
        if 4 * values > LARGEST:
            raise UserError(f'a record expects at most {LARGEST:,} bytes, got about {4 * values:,}. Keep fewer logits, '
                            'or pool the features.')

    @property
    def kept(self) -> int:
        """The number of logits of a record."""
        return self.classes if self.topk == ALL else min(self.topk, self.classes)

    @property
    def no_label(self) -> int:
        """The label of a sample that has none."""
        return 2**16 - 1 if self.classes <= NARROW else 2**32 - 1

    @cached_property
    def record(self) -> np.dtype:
        """The record as a structured data type of NumPy."""
        ids = '<u2' if self.classes <= NARROW else '<u4'
        fields: list[tuple] = [('crc', '<u2'), ('checksum', '<u4'), ('label', ids)]
        if self.classes and self.topk != ALL:
            fields += [('ids', ids, (self.kept, )), ('values', '<f4', (self.kept, )), ('target', '<f4'),
                       ('rest', '<f4')]
        elif self.classes:
            fields += [('values', FLOATS[self.dtype], (self.classes, ))]
            fields += [('shift', '<f4')] if self.dtype == 'fp16' else []
        fields += [(f'tap{place}', FLOATS[tap.dtype], tap.shape) for place, tap in enumerate(self.taps.values())]
        return np.dtype(fields)

    @cached_property
    def size(self) -> int:
        """The bytes of a record."""
        return self.record.itemsize

    def rows(self, rows: np.ndarray | Sequence[np.ndarray]) -> np.ndarray:
        """Brings raw records, as :meth:`Reader.row` returns them, into one structured array (N,).

        Raises:
            UserError: They have another size.
        """
        if isinstance(rows, np.ndarray) and rows.dtype == self.record:
            return rows
        raw = np.ascontiguousarray(np.stack(rows))
        if raw.dtype != np.uint8 or raw.ndim != 2 or raw.shape[1] != self.size:
            raise UserError(f'a record expects {self.size} bytes, got {raw.shape[1:]} of {raw.dtype}. Read it from the '
                            'cache that the format belongs to.')
        return raw.view(self.record)[:, 0]

    def as_json(self) -> dict:
        """What is written into the header."""
        return dict(classes=self.classes, topk=self.topk, dtype=self.dtype, taps={
            name: dict(shape=list(tap.shape), dtype=tap.dtype, pooled=tap.pooled) for name, tap in self.taps.items()})

    @classmethod
    def from_json(cls, content: object) -> 'RecordFormat':
        """Reads what :meth:`as_json` wrote.

        Raises:
            UserError: It is something else.
        """
        try:
            taps = {str(name): TapFormat(tuple(tap['shape']), tap['dtype'], bool(tap['pooled']))
                    for name, tap in content['taps'].items()}
            return cls(content['classes'], content['topk'], content['dtype'], taps)
        except (KeyError, TypeError, AttributeError) as error:
            raise UserError(f'the header of a cache expects the format of its records, got {content!r}. Build the '
                            'cache anew.') from error

    def describe(self) -> str:
        """The format in words."""
        parts = []
        if self.classes:
            parts += [f'all {self.classes} logits in {self.dtype}' if self.topk == ALL else
                      f'the {self.kept} highest of {self.classes} logits, the target\'s, and the mass of the rest']
        parts += [f'{name} ({"pooled, " if tap.pooled else ""}{"×".join(map(str, tap.shape))}, {tap.dtype}, '
                  f'{math.prod(tap.shape) * np.dtype(FLOATS[tap.dtype]).itemsize:,} bytes)'
                  for name, tap in self.taps.items()]
        return '; '.join(parts)


def _check_dtype(what: str, dtype: object) -> None:
    if dtype not in FLOATS:
        raise UserError(f'{what} expects dtype to be one of {", ".join(FLOATS)}, got {dtype!r}. Correct it.')
