"""Writing a picture of matplotlib's where an option of the command line says."""
from pathlib import Path
from typing import TYPE_CHECKING

from mmkd.utils.errors import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 120


def save_figure(figure: 'Figure', path: Path, option: str) -> None:
    """Writes a figure in the format of its name's ending, and no file of another name.

    Args:
        figure: The figure.
        path: The file; folders above it are made.
        option: What has named it, for the message.

    Raises:
        UserError: It cannot be written, or its ending is of no format; matplotlib would add one to a name without.
    """
    try:
        if not path.suffix:
            raise ValueError('no ending')
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=DPI)
    except (OSError, ValueError) as error:
        raise UserError(f'{option} expects a picture that can be written, such as {path.stem}.png, got {path} '
                        f'({error}). Choose another folder or ending.') from error
