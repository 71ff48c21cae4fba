"""Draws handwritten digits on textures: single ones and scenes. Used by digits.py."""
import cv2
import numpy as np

IMAGE_SIZE = 32


def draw_texture(rng: np.random.Generator, size: int) -> np.ndarray:
    """Draws clouds, stripes, checks or a gradient between two dark greys with a tint and grain.

    Returns:
        RGB from 0 to 1, (size, size, 3).
    """
    y, x = np.mgrid[:size, :size].astype(np.float32)
    angle, period = rng.uniform(0, 2 * np.pi), rng.uniform(8, 32)
    grid = rng.random((2 + int(size / period),) * 2, dtype=np.float32)
    clouds = cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    # the clouds bend the stripes and the checks
    u, v = (np.sin(2 * np.pi / period * axis + 3 * clouds) for axis in (along, across))
    gradient = (along - along.min()) / np.ptp(along)
    pattern = (clouds, 0.5 + 0.5 * u, (u * v > 0), gradient)[rng.integers(4)]
    first = rng.uniform(0.1, 0.3) + rng.uniform(-0.04, 0.04, 3)
    second = first + rng.uniform(-0.12, 0.12) + rng.uniform(-0.04, 0.04, 3)
    image = first + (second - first) * pattern[..., None]
    return np.clip(image + rng.normal(0, 0.03, (size, size, 1)), 0, 1)


def draw_strokes(digit: np.ndarray, height: float) -> np.ndarray:
    """Enlarges an 8x8 digit to thick, soft-edged strokes.

    Returns:
        Opacity from 0 to 1, cropped to the strokes; 0.5 or more is the digit's mask.
    """
    side = int(np.ceil(1.5 * height))
    matrix = cv2.getRotationMatrix2D((3.5, 3.5), 0., height / 8)
    matrix[:, 2] += side / 2 - 3.5
    ink = cv2.warpAffine(digit, matrix, (side, side), flags=cv2.INTER_CUBIC)
    opacity = np.clip((ink - 0.26) / 0.3, 0, 1)
    rows, columns = (np.flatnonzero(opacity.max(axis)) for axis in (1, 0))
    return opacity[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1]


def paint(rng: np.random.Generator, canvas: np.ndarray, opacity: np.ndarray) -> None:
    """Blends strokes into a piece of canvas of their size, in a bright ink that stands out."""
    inks = np.clip(rng.uniform(0.8, 1, (5, 1)) + rng.uniform(-0.1, 0.1, (5, 3)), 0, 1)
    distance = np.abs(inks - canvas.mean((0, 1))).sum(1)
    strength = opacity[..., None] * rng.uniform(0.8, 1)
    canvas += strength * (inks[distance.argmax()] - canvas)


def random_window(rng: np.random.Generator, size: int, shape: tuple[int, int]) -> tuple[slice, slice]:
    """A random place for a patch on a square canvas."""
    top, left = (int(rng.integers(size - side + 1)) for side in shape)
    return slice(top, top + shape[0]), slice(left, left + shape[1])


def draw_image(rng: np.random.Generator, digit: np.ndarray) -> np.ndarray:
    """Draws one digit for classification; returns RGB from 0 to 1, (32, 32, 3)."""
    canvas = draw_texture(rng, IMAGE_SIZE)
    opacity = draw_strokes(digit, rng.uniform(0.75, 0.9) * IMAGE_SIZE)[:IMAGE_SIZE, :IMAGE_SIZE]
    top, left = (int(np.clip((IMAGE_SIZE - side) // 2 + rng.integers(-2, 3), 0, IMAGE_SIZE - side))
                 for side in opacity.shape)
    paint(rng, canvas[top:top + opacity.shape[0], left:left + opacity.shape[1]], opacity)
    return canvas


def draw_scene(rng: np.random.Generator, size: int,
               digits: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Draws two to six of the given digits (fewer if no place is left), 24 to 36 high on 96.

    Args:
        rng: Decides everything.
        size: Side of the scene.
        digits: Ink from 0 to 1, (N, 8, 8).

    Returns:
        RGB from 0 to 1, (size, size, 3); the owner of each pixel, (size, size): 0 for the
        background, i for the i-th digit; the digits' rows in ``digits``.
    """
    canvas, owner, placed = draw_texture(rng, size), np.zeros((size, size), np.uint8), []
    for row in rng.choice(len(digits), rng.integers(2, 7), replace=False).tolist():
        for _ in range(50):
            height = rng.uniform(0.25, 0.375) * size
            opacity = draw_strokes(digits[row], height)
            window, mask = random_window(rng, size, opacity.shape), opacity >= 0.5
            if not overlaps(owner, window, mask):
                placed.append(row)
                paint(rng, canvas[window], opacity)
                owner[window][mask] = len(placed)
                break
    return canvas, owner, placed


def overlaps(owner: np.ndarray, window: tuple[slice, slice], mask: np.ndarray) -> bool:
    """Whether a new digit would share more than a tenth of its own or another digit's pixels."""
    areas = np.bincount(owner.ravel())
    shared = np.bincount(owner[window][mask], minlength=len(areas))[1:]
    return bool(shared.sum() > 0.1 * mask.sum() or (shared > 0.1 * areas[1:]).any())
