"""What a command leaves behind: a picture, and the numbers with the settings that gave them."""
import io
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from mmkd.utils import UserError
from mmkd.utils.files.small import write_json
from mmkd.utils.files.whole import write_whole
from mmkd.utils.versions import installed_versions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 120


class Report:
    """The files ``NAME.png`` and ``NAME.json`` in a folder, and ``NAME.npz`` where there are arrays.

    It is made before the work begins, so that a file that is there already, or a library that is not, is found then.

    Args:
        out: The folder.
        name: The stem of the files.
        force: Whether files that are there are overwritten.

    Raises:
        UserError: One of the files is there already, the folder cannot be made, or matplotlib is not installed.
    """

    def __init__(self, out: str | Path, name: str, force: bool = False) -> None:
        need_matplotlib()
        self.folder, self.name = Path(out), name
        there = [path.name for ending in ('png', 'json', 'npz') if (path := self.path(ending)).exists()]
        if there and not force:
            raise UserError(f'--out expects a folder without {", ".join(there)}, got {out}. Name another one, or '
                            'overwrite them with --force.')
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f'--out expects a folder, got {out}: {error.strerror or error}. Name another one.') \
                from error
        self._start = time.monotonic()

    def path(self, ending: str) -> Path:
        """One of the files."""
        return self.folder / f'{self.name}.{ending}'

    def write(self, figure: 'Figure', numbers: Mapping[str, Any], settings: Mapping[str, Any],
              arrays: Mapping[str, np.ndarray] | None = None) -> None:
        """Writes the files, each whole, and prints their names.

        Args:
            figure: The picture.
            numbers: What was found; NaN and infinities are written as null.
            settings: What it was found with.
            arrays: What is too large for a text.
        """
        content = dict(numbers=numbers, settings=settings, seconds=round(time.monotonic() - self._start, 1),
                       machine=_machine(), versions=installed_versions())
        with io.BytesIO() as picture:
            figure.savefig(picture, format='png', dpi=DPI, bbox_inches='tight', pad_inches=0.1)
            write_whole(self.path('png'), picture.getvalue())
        write_json(self.path('json'), _plain(content))
        if arrays:
            with io.BytesIO() as packed:
                np.savez_compressed(packed, **arrays)
                write_whole(self.path('npz'), packed.getvalue())
        else:
            self.path('npz').unlink(missing_ok=True)  # of an earlier run with other settings
        print(f'Written: {self.path("png")}, {", ".join([".json", *([".npz"] if arrays else [])])}')


def need_matplotlib() -> None:
    """Says how to install matplotlib where it is missing.

    Raises:
        UserError: It is missing.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise UserError('pictures expect matplotlib, which is not installed. Install it: pip install matplotlib.') \
            from error
    matplotlib.use('Agg')


def _machine() -> str:
    return torch.cuda.get_device_name() if torch.cuda.is_initialized() else 'CPU'


def _plain(value: Any) -> Any:
    """As JSON takes it: it has no arrays, no NaN and no infinities."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | torch.Tensor | np.generic):
        return _plain(value.tolist())
    if isinstance(value, list | tuple | set):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value if isinstance(value, str | int | bool) or value is None else str(value)
