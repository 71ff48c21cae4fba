"""Which archives the data sets come in, and where their files belong. Used by prepare.py."""
import io
import os
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from mmkd.datasets.archives.members import RAW, Member, list_members, safe_name
from mmkd.datasets.classification.imagenet_classes import class_indices
from mmkd.utils import UserError

IMAGES = ('.jpg', '.jpeg', '.png', '.ppm', '.bmp', '.pgm', '.tif', '.webp')
GROUND_TRUTH = 'ILSVRC2012_validation_ground_truth.txt'
_WORDNET_ID = re.compile(r'(?<![a-z0-9])n\d{8}(?!\d)')


@dataclass(frozen=True)
class Rule:
    """Where the files of an archive belong.

    Args:
        pattern: What the archive's name looks like.
        folder: The folder to put its files in, with a slash at the end.
        strip: Leading folders to leave out, if they are there.
        by_class: Whether images that lie flat and name their class go into its folder.
    """
    pattern: str
    folder: str = ''
    strip: tuple[str, ...] = ()
    by_class: bool = False


@dataclass(frozen=True)
class Layout:
    """A data set: the default folder, the rules for its archives, and what they are called."""
    out: str
    rules: tuple[Rule, ...]
    archives: str


DEVKIT = Rule(r'devkit.*\.tar\.gz$')
LAYOUTS = {
    'imagenet': Layout('data/imagenet', (
        DEVKIT, Rule(r'train', 'train/', ('train',), True), Rule(r'val', 'val/', ('val', 'validation'), True)),
        'ILSVRC2012_img_train.tar, ILSVRC2012_img_val.tar, ILSVRC2012_devkit_t12.tar.gz, or shards with train or val '
        'in their names'),
    'imagenet-v2': Layout('data/imagenet-v2', (
        Rule('', strip=tuple(f'imagenetv2-{name}' for name in (
            'matched-frequency-format-val', 'matched-frequency', 'threshold0.7-format-val', 'threshold0.7',
            'top-images-format-val', 'top-images'))),), 'imagenetv2-matched-frequency.tar.gz'),
    'imagenet-a': Layout('data/imagenet-a', (Rule('', strip=('imagenet-a',)),), 'imagenet-a.tar'),
    'imagenet-r': Layout('data/imagenet-r', (Rule('', strip=('imagenet-r',)),), 'imagenet-r.tar'),
    'imagenet-sketch': Layout('data/imagenet-sketch', (Rule('', strip=('sketch',)),), 'ImageNet-Sketch.zip'),
    'imagenet-c': Layout('data/imagenet-c', (
        Rule('', strip=('imagenet-c', 'noise', 'blur', 'weather', 'digital', 'extra')),),
        'noise.tar, blur.tar, weather.tar, digital.tar'),
    'cifar10': Layout('data/cifar10', (Rule(''),), 'cifar-10-python.tar.gz'),
    'cifar100': Layout('data/cifar100', (Rule(''),), 'cifar-100-python.tar.gz'),
    'coco': Layout('data/coco', (Rule(''),), 'train2017.zip, val2017.zip, annotations_trainval2017.zip'),
    'ade20k': Layout('data/ade', (Rule(''),), 'ADEChallengeData2016.zip'),
    'folders': Layout('', (Rule(''),), 'any zip or tar'),
}


def find_rule(layout: Layout, path: Path) -> Rule:
    """The rule for an archive.

    Raises:
        UserError: The data set has no such archive.
    """
    rule = next((rule for rule in layout.rules if re.search(rule.pattern, path.name)), None)
    if rule is None:
        raise UserError(f'{path} is none of the archives {layout.archives}. Say where it belongs: FOLDER={path}')
    return rule


def placed_members(path: Path, rule: Rule) -> Iterator[Member]:
    """The files of an archive, named as in the prepared data set.

    Raises:
        UserError: The archive is missing, cut off, damaged or dangerous; see :func:`list_members`.
    """
    members = list_members(path)
    classes: dict[str, str] = {}
    if rule.by_class:
        members = iter(listed := list(members))
        classes = _classes_of_shard(path, listed)
    for member in members:
        folder, slash, rest = member.name.partition('/')
        name = rest if slash and folder in rule.strip else member.name
        if rule.by_class and '/' not in name:
            if not name.lower().endswith(IMAGES):
                continue  # what WebDataset keeps beside the images
            name = _in_class_folder(name, classes)
        yield replace(member, name=rule.folder + name)


def _in_class_folder(name: str, classes: dict[str, str]) -> str:
    match = _WORDNET_ID.search(name.replace('_', ' '))
    wordnet_id = classes.get(name.rpartition('.')[0]) or (match.group() if match else None)
    return f'{wordnet_id}/{name}' if wordnet_id in class_indices() else name


def _classes_of_shard(path: Path, members: list[Member]) -> dict[str, str]:
    """Sample to WordNet id, from the .cls files of a WebDataset's shard."""
    names, classes = list(class_indices()), {}
    with path.open('rb') as file:
        for member in members:
            if member.name.endswith('.cls') and member.kind == RAW:
                text = os.pread(file.fileno(), member.stored, member.offset).decode(errors='replace').strip()
                if not text.isdecimal() or int(text) >= len(names):
                    raise UserError(f'archive {path}: {member.name} expects a class index from 0 to 999, got {text!r}.')
                classes[member.name.removesuffix('.cls').rpartition('/')[2]] = names[int(text)]
    return classes


def validation_list(devkit: Path) -> str:
    """mmpretrain's list of the validation images and their classes, from ImageNet's development kit.

    Raises:
        UserError: The kit is damaged or another file, or scipy is missing.
    """
    try:
        from scipy.io import loadmat
    except ImportError as error:
        raise UserError('the development kit expects scipy to read it. pip install scipy') from error
    files = {}
    try:
        with tarfile.open(devkit, 'r:gz') as archive:
            for info in archive:
                name = safe_name(info.name, devkit).rpartition('/')[2]
                if info.isreg() and name in ('meta.mat', GROUND_TRUTH):
                    files[name] = archive.extractfile(info).read()
        synsets = loadmat(io.BytesIO(files['meta.mat']), squeeze_me=True)['synsets']
        labels = {int(i): class_indices()[str(name)] for i, name in zip(synsets['ILSVRC2012_ID'], synsets['WNID'])
                  if str(name) in class_indices()}
        rows = [labels[int(line)] for line in files[GROUND_TRUTH].split()]
    except (OSError, EOFError, tarfile.TarError, KeyError, ValueError) as error:
        raise UserError(f'{devkit} is no ILSVRC2012_devkit_t12.tar.gz, or damaged: {error}. Fetch it again.') from error
    return ''.join(f'ILSVRC2012_val_{i:08d}.JPEG {label}\n' for i, label in enumerate(rows, 1))
