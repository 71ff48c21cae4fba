"""Pictures that Pillow reads, as OpenCV does, with which mmcv reads those that are trained on."""
import numpy as np
from PIL import Image

ORIENTATION = 0x0112  # of EXIF
Turn = Image.Transpose
TURNS = {2: Turn.FLIP_LEFT_RIGHT, 3: Turn.ROTATE_180, 4: Turn.FLIP_TOP_BOTTOM, 5: Turn.TRANSPOSE, 6: Turn.ROTATE_270,
         7: Turn.TRANSVERSE, 8: Turn.ROTATE_90}
UNTURNED = ('WEBP', None)  # formats whose EXIF OpenCV does not follow; None: made of another picture, turned or not
DEEP = ('PNG', 'PPM')  # formats whose 16 bits some versions of Pillow keep in 32


def as_loaded(image: Image.Image, mode: str = 'RGB') -> Image.Image:
    """A picture turned as its EXIF says if it comes from a file, of 16 bits the upper 8, in ``'RGB'`` or ``'L'``."""
    image.load()
    kind = image.format
    if kind not in UNTURNED and (turn := TURNS.get(_orientation(image))) is not None:
        image = image.transpose(turn)
    if image.mode.startswith('I;16') or (image.mode == 'I' and kind in DEEP):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image.convert(mode)


def _orientation(image: Image.Image) -> int | None:
    try:
        return image.getexif().get(ORIENTATION)
    except Exception:  # whatever is wrong with the EXIF, the pixels are there
        return None
