"""What the data sets of docs/prepare_data.md should contain."""
import hashlib
import re
from collections.abc import Callable
from pathlib import Path

from mmengine.fileio import exists, get, get_text, isdir, join_path

from mmkd.datasets.classification.imagenet_classes import class_indices, real_labels, subset_indices
from mmkd.datasets.classification.imagenet_variants import CORRUPTIONS, EXTRA_CORRUPTIONS, SEVERITIES
from mmkd.utils import UserError

from .coco import plan_coco
from .files import Plan, plan_folders, plan_list, plan_pairs
from .images import Problem

# Share of ImageNet's own validation labels that ReaL confirms is about 0.9; of labels in another order, about 0.
CONFIRMED = 0.8


def plan_imagenet(root: str, split: str) -> Plan:
    """ImageNet-1K as mmpretrain reads it: by ``meta/SPLIT.txt`` if it is there, else one folder a class."""
    count, per_class = {'train': (1281167, None), 'val': (50000, 50)}[split]
    images, ann_file = join_path(root, split), join_path(root, 'meta', f'{split}.txt')
    if not exists(ann_file):
        plan = plan_folders(images, class_indices(), count, per_class)
        return plan if split == 'train' else plan.add(_labels_beside_real(root, _labels_of_folders(plan)))
    plan = plan_list(images, ann_file, 1000, count, per_class)
    if split == 'val':
        pairs = (line.strip().rpartition(' ') for line in get_text(ann_file).splitlines())
        plan.add(_labels_beside_real(ann_file, {name: int(label) for name, _, label in pairs if label.isdecimal()}))
    return plan


def _labels_of_folders(plan: Plan) -> dict[str, int]:
    names = (image.path.split('/')[-2:] for image in plan.images)
    return {name: class_indices()[folder] for folder, name in names if folder in class_indices()}


def _labels_beside_real(where: str, labels: dict[str, int]) -> Plan:
    """A problem if too few labels are among those that ReaL has for the image."""
    plan, confirmed, real = Plan(), [], real_labels()
    for name, label in labels.items():
        match = re.search(r'ILSVRC2012_val_(\d{8})', name)
        number = int(match.group(1)) if match else 0
        if 1 <= number <= len(real) and real[number - 1]:
            confirmed.append(label in real[number - 1])
    if confirmed and sum(confirmed) < CONFIRMED * len(confirmed):
        plan.problems.append(Problem(
            'mislabelled', where, f'ImageNet-ReaL confirms only {sum(confirmed)} of {len(confirmed)} labels: '
            'the classes are in another order'))
    return plan


def plan_imagenet_v2(root: str, split: str) -> Plan:
    """ImageNet-V2: ten images in each of the folders 0 to 999."""
    return plan_folders(root, [str(index) for index in range(1000)], 10000, 10)


def _subset_planner(subset: str, count: int) -> Callable[[str, str], Plan]:
    def plan(root: str, split: str) -> Plan:
        names = list(class_indices())
        return plan_folders(root, [names[index] for index in subset_indices(subset)], count)
    return plan


def plan_imagenet_sketch(root: str, split: str) -> Plan:
    """ImageNet-Sketch."""
    return plan_folders(root, class_indices(), 50889)


def plan_imagenet_c(root: str, split: str) -> Plan:
    """ImageNet-C: the 15 corruptions, and those of the four extra ones that are there, in five severities."""
    plan = Plan()
    extra = [name for name in EXTRA_CORRUPTIONS if isdir(join_path(root, name))]
    for name in [*CORRUPTIONS, *extra]:
        for severity in SEVERITIES:
            folder = join_path(root, name, str(severity))
            if isdir(folder):
                plan.add(plan_folders(folder, class_indices(), 50000, 50))
            else:
                plan.problems.append(Problem('missing', folder, 'there is no such folder'))
    return plan


def plan_coco_2017(root: str, split: str) -> Plan:
    """COCO 2017."""
    count = dict(train=118287, val=5000)[split]
    return plan_coco(join_path(root, f'{split}2017'), join_path(root, 'annotations', f'instances_{split}2017.json'),
                     count)


def plan_ade20k(root: str, split: str) -> Plan:
    """ADE20K with 150 classes; 0 is the background."""
    folder, count = dict(train=('training', 20210), val=('validation', 2000))[split]
    return plan_pairs(join_path(root, 'images', folder), join_path(root, 'annotations', folder), 150, count)


def _cifar_planner(name: str) -> Callable[[str, str], Plan]:
    def plan(root: str, split: str) -> Plan:
        """Compares the checksums of CIFAR's files with those that mmpretrain knows."""
        from mmpretrain import datasets
        cls, result = getattr(datasets, name), Plan()
        for file, checksum in cls.train_list if split == 'train' else cls.test_list:
            path = join_path(root, cls.base_folder, file)
            if not exists(path):
                result.problems.append(Problem('missing', path, 'there is no such file'))
            elif hashlib.md5(get(path), usedforsecurity=False).hexdigest() != checksum:
                result.problems.append(Problem('truncated', path, f'its MD5 is not {checksum}'))
        return result
    return plan


# Name: where the configs look, the splits, and what makes the plan.
KNOWN: dict[str, tuple[str, tuple[str, ...], Callable[[str, str], Plan]]] = {
    'imagenet': ('data/imagenet', ('train', 'val'), plan_imagenet),
    'imagenet-v2': ('data/imagenet-v2', ('test',), plan_imagenet_v2),
    'imagenet-a': ('data/imagenet-a', ('test',), _subset_planner('imagenet-a', 7500)),
    'imagenet-r': ('data/imagenet-r', ('test',), _subset_planner('imagenet-r', 30000)),
    'imagenet-sketch': ('data/imagenet-sketch', ('test',), plan_imagenet_sketch),
    'imagenet-c': ('data/imagenet-c', ('test',), plan_imagenet_c),
    'cifar10': ('data/cifar10', ('train', 'test'), _cifar_planner('CIFAR10')),
    'cifar100': ('data/cifar100', ('train', 'test'), _cifar_planner('CIFAR100')),
    'coco': ('data/coco', ('train', 'val'), plan_coco_2017),
    'ade20k': ('data/ade/ADEChallengeData2016', ('train', 'val'), plan_ade20k),
}


def plan_known(name: str, root: str, splits: list[str] | None = None) -> Plan:
    """What to check of a data set that is known by name.

    Args:
        name: One of :data:`KNOWN`.
        root: Its folder, or one in ``archive://``.
        splits: Which splits; all of them if left out.

    Returns:
        The plan.

    Raises:
        UserError: The folder does not exist, or the data set has no such split.
    """
    _, every, planner = KNOWN[name]
    for split in splits or ():
        if split not in every:
            raise UserError(f'--split of {name} expects {" or ".join(every)}, got {split!r}.')
    if not ('://' in root and isdir(root)) and not Path(root).is_dir():
        raise UserError(f'{name} expects the folder {root}, which does not exist. See docs/prepare_data.md.')
    plan = Plan()
    for split in splits or every:
        plan.add(planner(root, split))
    return plan
