"""What is wrong with a COCO annotation file, and which images it wants."""
import json
from collections import Counter
from collections.abc import Iterator
from math import isfinite

from mmengine.fileio import join_path

from mmkd.utils import UserError

from .files import Plan, need_folder, need_text
from .images import ImageFile, Problem


def plan_coco(images: str, ann_file: str, count: int | None = None) -> Plan:
    """Images and boxes of a COCO annotation file.

    Args:
        images: The folder of the images.
        ann_file: The JSON file.
        count: How many images there should be.

    Returns:
        The plan: the images with the sizes that the file gives.

    Raises:
        UserError: Folder or file do not exist, or the file is no COCO annotation file.
    """
    need_folder(images)
    text = need_text(ann_file)
    try:
        content = json.loads(text)
        rows = {row['id']: row for row in content['images']}
        files = [ImageFile(join_path(images, row['file_name']), (row['width'], row['height']))
                 for row in content['images']]
        plan = Plan(files, [*_wrong_lists(ann_file, content), *_wrong_annotations(ann_file, content, rows)])
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f'{ann_file} is cut off or no COCO annotation file: {error!r}. Fetch it again.') from error
    plan.expect('images', ann_file, count, len(content['images']))
    return plan


def _wrong_lists(ann_file: str, content: dict) -> Iterator[Problem]:
    """Ids and names that are there twice, and lists that are empty."""
    for what, key in (('images', 'id'), ('images', 'file_name'), ('annotations', 'id'), ('categories', 'id'),
                      ('categories', 'name')):
        for value, times in Counter(row[key] for row in content[what]).items():
            if times > 1:
                text = f'names {value} {times} times' if key == 'file_name' else (
                    f'has {times} {what} of {key} {value!r}')
                yield Problem('mislabelled', ann_file, text)
    for what in ('images', 'annotations', 'categories'):
        if not content[what]:
            yield Problem('mislabelled', ann_file, f'has no {what}')


def _wrong_annotations(ann_file: str, content: dict, rows: dict[int, dict]) -> Iterator[Problem]:
    """Annotations of no image or category, with a box outside the image, or with an empty box, area or mask."""
    categories = {row['id'] for row in content['categories']}
    for row in content['annotations']:
        image = rows.get(row['image_id'])
        if image is None:
            text = f'is of image {row["image_id"]}, which is not listed'
        elif row['category_id'] not in categories:
            text = f'is of category {row["category_id"]}, which is not listed'
        elif not _has_a_box(row):
            text = f'expects a box x, y, width, height, got {row.get("bbox")}'
        elif not _inside(row['bbox'], image):
            text = f'has the box {row["bbox"]} in an image of {image["width"]}x{image["height"]}'
        else:
            text = _empty(row)
        if text:
            yield Problem('mislabelled', ann_file, f'annotation {row["id"]} {text}')


def _has_a_box(row: dict) -> bool:
    box = row.get('bbox')
    return isinstance(box, list) and len(box) == 4 and all(isinstance(x, int | float) and isfinite(x) for x in box)


def _empty(row: dict) -> str:
    """What of an annotation is empty; mmdet drops these without a word, or stops where the area is missing."""
    width, height = row['bbox'][2:]
    mask = row.get('segmentation')
    if width <= 0 or height <= 0:
        return f'has the empty box {row["bbox"]}'
    if 'area' not in row:
        return 'has no area, which mmdet expects'
    if not isinstance(row['area'], int | float) or not row['area'] > 0:
        return f'has the area {row["area"]}'
    if mask is not None and (not mask or (isinstance(mask, list) and all(len(polygon) < 6 for polygon in mask))):
        return 'has an empty mask'
    return ''


def _inside(box: list[float], image: dict) -> bool:
    x, y, width, height = box  # COCO's own boxes are rounded, and a few go over the edge by less than a pixel
    return min(x, y, width, height) >= -1 and x + width <= image['width'] + 1 and y + height <= image['height'] + 1
