"""Writes scenes with both kinds of annotation: COCO's boxes and masks, and a label for each pixel."""
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

# Of the background and up to ten classes.
PALETTE = ((0, 0, 0), (230, 25, 75), (60, 180, 75), (255, 225, 25), (0, 130, 200), (245, 130, 48),
           (145, 30, 180), (70, 240, 240), (240, 50, 230), (210, 245, 60), (0, 128, 128))


@dataclass(frozen=True)
class Things:
    """What the scenes show.

    Args:
        labels: The class of each thing of the data set, (N,).
        classes: The names of the classes, ten at most.
        row_name: Under which name an annotation keeps the thing's row in the data set.
    """
    labels: np.ndarray
    classes: tuple[str, ...]
    row_name: str


def rle(mask: np.ndarray) -> dict:
    """A mask as COCO's uncompressed run lengths: column by column, background first."""
    flat = np.pad(mask.ravel(order='F'), (1, 0))
    starts = np.flatnonzero(flat[1:] != flat[:-1])
    counts = np.diff([0, *starts, mask.size]).tolist()
    return dict(size=list(mask.shape), counts=counts)


def coco_annotation(mask: np.ndarray, label: int) -> dict:
    """The annotation of one thing, without its ids."""
    rows, columns = (np.flatnonzero(mask.any(axis)).tolist() for axis in (1, 0))
    box = [columns[0], rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1]
    return dict(category_id=label + 1, bbox=box, area=int(mask.sum()), iscrowd=0,
                segmentation=rle(mask))


def save_image(path: Path, image: np.ndarray) -> None:
    """Saves RGB from 0 to 1."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((255 * image + 0.5).astype(np.uint8)).save(path)


def save_labels(path: Path, labels: np.ndarray) -> None:
    """Saves labels as a palette image: 0 is the background, class c has the label c + 1."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(labels.astype(np.uint8))
    image.putpalette([value for colour in PALETTE for value in colour])
    image.save(path)


def write_scenes(folder: Path, split: str, scenes: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]],
                 things: Things) -> Iterator[None]:
    """Writes one split's scenes; yields after each.

    Args:
        folder: Gets ``images``, ``annotations`` and ``annotations_seg``.
        split: The name of the split.
        scenes: Pictures, the owner of each of their pixels, and the rows of their things in the data set.
        things: The data set.
    """
    images: list[dict] = []
    annotations: list[dict] = []
    for number, (canvas, owner, rows) in enumerate(scenes):
        name = f'scene_{number:04d}.png'
        save_image(folder / 'images' / split / name, canvas)
        labels = things.labels[rows]
        save_labels(folder / 'annotations_seg' / split / name, np.append(0, labels + 1)[owner])
        images.append(dict(id=number + 1, file_name=name, height=len(canvas), width=len(canvas)))
        for i, row in enumerate(rows.tolist()):
            annotations.append({'id': len(annotations) + 1, 'image_id': number + 1, things.row_name: row,
                                **coco_annotation(owner == i + 1, int(labels[i]))})
        yield
    categories = [dict(id=i + 1, name=name) for i, name in enumerate(things.classes)]
    content = dict(images=images, annotations=annotations, categories=categories)
    (folder / 'annotations').mkdir(exist_ok=True)
    (folder / f'annotations/instances_{split}.json').write_text(json.dumps(content))
