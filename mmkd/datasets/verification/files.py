"""Which images a data set should have, and what is wrong with its lists and folders."""
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from mmengine.fileio import exists, get_text, isdir, join_path, list_dir_or_file

from mmkd.datasets.annotation_lists import entries, list_problems
from mmkd.datasets.classification.imagenet_classes import class_indices
from mmkd.datasets.junk import in_junk, is_junk
from mmkd.utils import UserError

from .images import ImageFile, Problem, mask_values

IMAGES = ('.jpg', '.jpeg', '.png', '.ppm', '.bmp', '.pgm', '.tif')  # what mmpretrain looks for in folders
SKIPPED = ('.webp', '.tiff', '.gif', '.jfif', '.avif', '.heic', '.jp2')
READ_BY = {'.webp': 'mmkd distill and mmkd.UnlabelledImages do', '.tiff': 'mmkd.UnlabelledImages does'}
MASKS_LOOKED_AT = 32


@dataclass
class Plan:
    """What is to be checked, and what is wrong already.

    Args:
        images: The images to look at.
        problems: What the lists and folders alone tell.
    """
    images: list[ImageFile] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def add(self, other: 'Plan') -> 'Plan':
        """Takes over what another plan has."""
        self.images += other.images
        self.problems += other.problems
        return self

    def expect(self, what: str, path: str, expected: int | None, found: int) -> None:
        """Notes a problem if a number is not the expected one."""
        if expected is not None and found != expected:
            self.problems.append(Problem('wrong count', path, f'expects {expected} {what}, found {found}'))


def need_folder(path: str) -> str:
    """Returns a folder's path.

    Raises:
        UserError: It does not exist.
    """
    if not isdir(path):
        raise UserError(f'the data set expects the folder {path}, which does not exist. See docs/prepare_data.md.')
    return path


def need_text(path: str) -> str:
    """Reads a file.

    Raises:
        UserError: It does not exist.
    """
    if not exists(path):
        raise UserError(f'the data set expects the file {path}, which does not exist. See docs/prepare_data.md.')
    return get_text(path)


def plan_folders(root: str, classes: Collection[str] | None = None, count: int | None = None,
                 per_class: int | None = None) -> Plan:
    """Images in one folder a class.

    A file whose name begins with a WordNet id must be in the folder of that name.

    Args:
        root: The folder that holds the classes' folders.
        classes: The folders that there should be.
        count: How many images there should be.
        per_class: How many each class should have.

    Returns:
        The plan.

    Raises:
        UserError: The folder does not exist.
    """
    plan, counts = Plan(), Counter()
    folders = _class_folders(root, plan)
    for name in sorted(folders):
        for file in _image_names(join_path(root, name), plan):
            counts[name] += 1
            path, stem = join_path(root, name, file), file.rpartition('/')[2].partition('_')[0]
            plan.images.append(ImageFile(path))
            if stem != name and stem in class_indices() and name in class_indices():
                plan.problems.append(Problem('mislabelled', path, f'the file is of class {stem}'))
    wanted = folders if classes is None else set(classes)
    for name in sorted(wanted - folders):
        plan.problems.append(Problem('missing', join_path(root, name), 'there is no folder of this class'))
    for name in sorted(folders - wanted):
        plan.problems.append(Problem('mislabelled', join_path(root, name), 'the folder is none of the classes'))
    for name in sorted(wanted & folders):
        if per_class is not None or not counts[name]:
            plan.expect('images', join_path(root, name), per_class or 'some', counts[name])
    plan.expect('images', root, count, len(plan.images))
    return plan


def _class_folders(root: str, plan: Plan) -> set[str]:
    """The folders in a folder; those that are no data are problems."""
    folders = set(list_dir_or_file(need_folder(root), list_file=False))
    junk = {name for name in folders if is_junk(name)}
    plan.problems += [Problem('no class', join_path(root, name), 'mmpretrain takes this folder for a class, and gives '
                              'the classes behind it other labels. Delete it') for name in sorted(junk)]
    return folders - junk


def _image_names(folder: str, plan: Plan) -> Iterator[str]:
    """The images that mmpretrain finds in a class's folder; others that it would not, or should not, are problems."""
    for file in sorted(list_dir_or_file(folder, list_dir=False, recursive=True)):
        path = join_path(folder, file)
        if file.lower().endswith(SKIPPED):
            suffix = file[file.rindex('.'):]
            others = f'; {READ_BY[suffix.lower()]}' if suffix.lower() in READ_BY else ''
            plan.problems.append(Problem('not read', path, "mmpretrain's CustomDataset and ImageNet do not look for "
                                         f'{suffix} in folders{others}. Convert it, or set extensions'))
        elif file.lower().endswith(IMAGES) and in_junk(file):
            plan.problems.append(Problem('no class', path, 'mmpretrain reads this hidden copy as an image of the class.'
                                         ' Delete its folder'))
        elif file.lower().endswith(IMAGES):
            yield file


def plan_list(root: str, ann_file: str, num_classes: int | None = None, count: int | None = None,
              per_class: int | None = None) -> Plan:
    """Images that an annotation list of mmpretrain names, one ``PATH LABEL`` a line.

    Args:
        root: The folder that the list's paths begin at.
        ann_file: The list.
        num_classes: How many classes there are.
        count: How many images there should be.
        per_class: How many each class should have.

    Returns:
        The plan; images that the list does not name are problems, too.

    Raises:
        UserError: Folder or list do not exist.
    """
    plan, labels, text = Plan(), defaultdict(list), need_text(ann_file)
    wrong = dict(list_problems(text, num_classes))
    plan.problems += [Problem('mislabelled', ann_file, f'line {number} {problem}') for number, problem in wrong.items()]
    lines: dict[str, int] = {}
    for number, name, label, _ in entries(text):
        if number in wrong:
            continue
        labels[name].append(int(label))
        lines[name] = number
        index = class_indices().get(name.partition('/')[0]) if num_classes == len(class_indices()) else None
        if index is not None and index != int(label):
            plan.problems.append(Problem('mislabelled', name, f'the list has class {label}, its folder is {index}'))
    listed = set(labels)
    for name in sorted(listed):
        if len(labels[name]) > 1:
            plan.problems.append(Problem('mislabelled', name, f'the list names it {len(labels[name])} times'))
        plan.images.append(ImageFile(join_path(root, name), named_by=f'{ann_file}, line {lines[name]},'))
    there = {name for name in list_dir_or_file(need_folder(root), list_dir=False, recursive=True)
             if name.lower().endswith(IMAGES + SKIPPED) and not in_junk(name)}
    plan.problems += [Problem('not listed', join_path(root, name), f'{ann_file} does not name it')
                      for name in sorted(there - listed)]
    plan.expect('images', ann_file, count, len(listed))
    for label, found in sorted(Counter(label for group in labels.values() for label in group).items()):
        plan.expect(f'images of class {label}', ann_file, per_class, found)
    return plan


def plan_pairs(images: str, masks: str, max_value: int, count: int | None = None,
               suffixes: tuple[str, str] = ('.jpg', '.png')) -> Plan:
    """Images and their masks of the same name, as ADE20K has them.

    Args:
        images: The folder of images.
        masks: The folder of masks.
        max_value: The largest value that a mask may have.
        count: How many pairs there should be.
        suffixes: What the names of images and masks end with; without it they are the same.

    Returns:
        The plan.

    Raises:
        UserError: A folder does not exist.
    """
    plan = Plan()
    names, masked = (_stems(need_folder(folder), suffix) for folder, suffix in zip((images, masks), suffixes))
    for name in sorted(names | masked):
        image, mask = (join_path(folder, name + suffix) for folder, suffix in zip((images, masks), suffixes))
        plan.images += [ImageFile(image), ImageFile(mask, same_size_as=image, max_value=max_value)]
    plan.expect('images', images, count, len(names))
    plan.problems += _two_values(masks, [name + suffixes[1] for name in sorted(masked)])
    return plan


def _two_values(folder: str, names: list[str]) -> list[Problem]:
    """A problem if masks have no other values than 0 and 255, the second of which mmseg leaves out."""
    values: set[int] = set()
    for name in names[::-(-len(names) // MASKS_LOOKED_AT) or 1]:
        values |= mask_values(join_path(folder, name))
        if not values <= {0, 255}:
            return []
    if values != {0, 255}:
        return []
    return [Problem('mislabelled', folder, 'masks have the values 0 and 255 only (as far as looked at: '
                    f'{min(len(names), MASKS_LOOKED_AT)} of {len(names)}), and 255 is left out of training and figures:'
                    ' write the classes as 0, 1, …')]


def _stems(folder: str, suffix: str) -> set[str]:
    names: Iterable[str] = list_dir_or_file(folder, list_dir=False, suffix=suffix, recursive=True)
    return {name.removesuffix(suffix) for name in names}
