"""What is wrong with a COCO annotation file, and which images it wants."""
import json
from collections import Counter

from mmengine.fileio import join_path

from mmkd.utils import UserError

from .dataset_files import Plan, need_folder, need_text
from .image_files import ImageFile, Problem


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
        plan = Plan(files, _wrong_annotations(ann_file, content, rows))
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f'{ann_file} is cut off or no COCO annotation file: {error!r}. Fetch it again.') from error
    for name, times in Counter(row['file_name'] for row in content['images']).items():
        if times > 1:
            plan.problems.append(Problem('mislabelled', ann_file, f'names {name} {times} times'))
    plan.expect('images', ann_file, count, len(content['images']))
    return plan


def _wrong_annotations(ann_file: str, content: dict, rows: dict[int, dict]) -> list[Problem]:
    """Annotations of no image or category, or with a box outside the image."""
    categories = {row['id'] for row in content['categories']}
    problems = []
    for row in content['annotations']:
        image, text = rows.get(row['image_id']), ''
        if image is None:
            text = f'is of image {row["image_id"]}, which is not listed'
        elif row['category_id'] not in categories:
            text = f'is of category {row["category_id"]}, which is not listed'
        elif not _inside(row['bbox'], image):
            text = f'has the box {row["bbox"]} in an image of {image["width"]}x{image["height"]}'
        if text:
            problems.append(Problem('mislabelled', ann_file, f'annotation {row["id"]} {text}'))
    return problems


def _inside(box: list[float], image: dict) -> bool:
    x, y, width, height = box  # COCO's own boxes are rounded, and a few go over the edge by less than a pixel
    return min(x, y, width, height) >= -1 and x + width <= image['width'] + 1 and y + height <= image['height'] + 1
