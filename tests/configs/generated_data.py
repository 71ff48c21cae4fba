"""A few images and labels, where the configs look for ImageNet, CIFAR, COCO, ADE20K and Cityscapes."""
import json
import pickle
from pathlib import Path

import numpy as np
from mmdet.datasets import CocoDataset
from PIL import Image

from ..archives import WORDNET_IDS, jpeg, write_folder

SCENE = (200, 150)  # width, height
SCENES = 4


def write_everything(root: Path) -> Path:
    """Writes all of it below ``root/data``."""
    rng = np.random.default_rng(0)
    write_imagenet(root / 'data/imagenet')
    write_cifar(root / 'data', rng)
    write_coco(root / 'data/coco', rng)
    write_ade20k(root / 'data/ade/ADEChallengeData2016', rng)
    write_cityscapes(root / 'data/cityscapes', rng)
    return root


def write_imagenet(root: Path) -> None:
    """Four images of each of three classes, and the list that makes the folders of the other classes dispensable."""
    files = {f'{name}/{name}_{i}.JPEG': (label, jpeg(10 * label + i, (120, 90)))
             for label, name in enumerate(WORDNET_IDS) for i in range(4)}
    lines = [f'{name} {label}' for name, (label, _) in files.items()]
    write_folder(root, {'meta/train.txt': '\n'.join(lines).encode()})
    write_folder(root / 'train', {name: content for name, (_, content) in files.items()})


def write_cifar(data: Path, rng: np.random.Generator) -> None:
    """Both of them, as pickles."""
    for folder, names, key, classes in (
            ('cifar10/cifar-10-batches-py', [f'data_batch_{i}' for i in range(1, 6)], 'labels', 10),
            ('cifar100/cifar-100-python', ['train'], 'fine_labels', 100)):
        for name in names:
            content = {'data': rng.integers(0, 256, (8, 3072), dtype=np.uint8),
                       key: rng.integers(0, classes, 8).tolist()}
            write_folder(data / folder, {name: pickle.dumps(content)})


def write_coco(root: Path, rng: np.random.Generator) -> None:
    """Scenes with three rectangles each, of the first three categories."""
    width, height = SCENE
    images = [dict(id=i, file_name=f'{i:012}.jpg', width=width, height=height) for i in range(SCENES)]
    annotations = []
    for image in images:
        for category in (1, 2, 3):
            x, y = int(rng.integers(0, width // 2)), int(rng.integers(0, height // 2))
            w, h = int(rng.integers(30, width // 2)), int(rng.integers(30, height // 2))
            annotations.append(dict(
                id=len(annotations), image_id=image['id'], category_id=category, bbox=[x, y, w, h], area=w * h,
                iscrowd=0, segmentation=[[x, y, x + w, y, x + w, y + h, x, y + h]]))
    names = dict(enumerate(CocoDataset.METAINFO['classes'], start=1))
    text = json.dumps(dict(images=images, annotations=annotations,
                           categories=[dict(id=i, name=name) for i, name in names.items()]))
    write_folder(root, {'annotations/instances_train2017.json': text.encode(),
                        **{f'train2017/{image["file_name"]}': jpeg(image['id'], SCENE) for image in images}})


def write_ade20k(root: Path, rng: np.random.Generator) -> None:
    """Scenes in four quarters of random classes; 0 is what has no label."""
    for i in range(SCENES):
        write_folder(root, {f'images/training/{i}.jpg': jpeg(i, SCENE)})
        path = root / f'annotations/training/{i}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        quarters = rng.integers(0, 151, (2, 2)).astype(np.uint8)
        Image.fromarray(np.kron(quarters, np.ones((SCENE[1] // 2, SCENE[0] // 2), np.uint8))).save(path)


def write_cityscapes(root: Path, rng: np.random.Generator) -> None:
    """Streets in four quarters of random classes, one of them without a label."""
    for i in range(SCENES):
        name = f'train/town/{i}'
        write_folder(root, {f'leftImg8bit/{name}_leftImg8bit.png': jpeg(i, SCENE)})
        path = root / f'gtFine/{name}_gtFine_labelTrainIds.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        quarters = rng.integers(0, 19, (2, 2)).astype(np.uint8)
        quarters[0, 0] = 255
        Image.fromarray(np.kron(quarters, np.ones((SCENE[1] // 2, SCENE[0] // 2), np.uint8))).save(path)
