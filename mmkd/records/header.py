"""The header of a cache: of which views and which teacher its records are."""
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from mmkd.utils import UserError
from mmkd.utils.files.whole import write_whole
from mmkd.version import __version__

from .formats import HEAD, RecordFormat
from .hashes import first_difference

NAME = 'header.json'
VERSION = 1
LARGEST = 64 * 2**20  # bytes of a header
PACKAGES = ('torch', 'torchvision', 'Pillow', 'opencv-python', 'opencv-python-headless', 'numpy')
# What the facts are called in messages; others are called by their keys.
WORDS = dict(sample_list='the list of samples (paths, labels or their order)', samples='the number of samples',
             pipeline='pipeline', seed='the seed of the views', scheme='the way in which views follow from the seed',
             input_size='the size of the views',
             normalisation='normalisation', mixing='mixing', weights="the teacher's weights (their hash)",
             config="the teacher's config", dtype="the teacher's dtype", adapter="the form of the teacher's input",
             classes="the teacher's classes")


@dataclass(frozen=True)
class Header:
    """What a cache says of itself.

    Args:
        views: Facts of the views: ``samples``, ``sample_list``, ``pipeline``, ``mixing``, ``seed``, ``input_size``,
            ``normalisation`` …, as JSON has them.
        teacher: Facts of the teacher: ``weights``, ``config``, ``dtype``, ``classes`` …
        format: What a record holds.
        epochs: How many epochs are to be built.
        build: How it was built: batch size, whether in the recipe's own batches … It decides the last bits only.
        versions: Package to version.
    """

    views: dict
    teacher: dict
    format: RecordFormat
    epochs: int
    build: dict = field(default_factory=dict)
    versions: dict = field(default_factory=lambda: current_versions())

    @property
    def samples(self) -> int:
        """Records of an epoch."""
        return self.views['samples']

    @property
    def fingerprint(self) -> str:
        """A hash of all that decides what a record means, which each shard repeats."""
        facts = [VERSION, self.views, self.teacher, self.format.as_json()]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def differences(self, other: 'Header', teacher: bool = True, format: bool = True) -> list[str]:
        """What makes the records of this cache useless to another header, in words.

        Args:
            other: What is asked for.
            teacher: Whether the teachers are compared; facts that one of them lacks are not.
            format: Whether the formats of the records are compared.
        """
        found = _compared(self.views, other.views, 'the views')
        if teacher:
            found += _compared(self.teacher, other.teacher, 'the teacher')
        if format:
            found += [first_difference(self.format.as_json(), other.format.as_json(), 'the record')]
        return [text for text in found if text]

    def warnings(self, other: 'Header') -> list[str]:
        """Versions that are not those that the cache was built with; they may change a view's pixels."""
        return [f'{name} was {there} when the cache was built, and is {other.versions[name]}'
                for name, there in self.versions.items() if other.versions.get(name, there) != there]

    def bytes(self) -> int:
        """The size of all shards: the formula of the documentation."""
        return self.epochs * (self.samples * self.format.size + self.build.get('parts', 1) * HEAD)

    def write(self, folder: Path) -> None:
        """Writes it into the folder of a cache, whole."""
        content = dict(version=VERSION, **(asdict(self) | dict(format=self.format.as_json())))
        write_whole(folder / NAME, (json.dumps(content, indent=1) + '\n').encode())

    @classmethod
    def read(cls, folder: str | Path) -> 'Header':
        """Reads the header of a cache; it is data, and runs no code.

        Raises:
            UserError: There is none, or it is damaged or of another version of the format.
        """
        path = Path(folder) / NAME
        try:
            if path.stat().st_size > LARGEST:
                raise ValueError('it is too large')
            content = json.loads(path.read_text(encoding='utf-8'))
            if content['version'] != VERSION:
                raise UserError(f'{path} expects version {VERSION} of the format, got {content["version"]!r}. Build '
                                'the cache anew with this version of mmkd, or read it with the one that built it.')
            _check(content)
        except FileNotFoundError as error:
            raise UserError(f'{folder} expects a teacher cache, and has no {NAME}. Build one with mmkd cache build.') \
                from error
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            if isinstance(error, UserError):
                raise
            raise UserError(f'{path} expects the header of a teacher cache, and cannot be read '
                            f'({type(error).__name__}: {error}). Build the cache anew, or copy it again.') from error
        return cls(content['views'], content['teacher'], RecordFormat.from_json(content['format']), content['epochs'],
                   content['build'], content['versions'])


def _check(content: Mapping) -> None:
    for name in ('views', 'teacher', 'build', 'versions', 'format'):
        if not isinstance(content[name], dict):
            raise ValueError(f'{name} is no dict')
    for name, value in (('epochs', content['epochs']), ('samples', content['views']['samples'])):
        if type(value) is not int or not 0 < value < 2**40:
            raise ValueError(f'{name} is {value!r}')
    if type(content['views']['seed']) is not int or not 0 <= content['views']['seed'] < 2**64:
        raise ValueError(f'views.seed is {content["views"]["seed"]!r}')
    _check_kinds(content['teacher'], 'teacher', dict(config=dict, weights=str, dtype=str, adapter=dict, classes=dict))
    _check_classes(content['teacher'].get('classes'))
    _check_kinds(content['build'], 'build', dict(parts=int, like_training=bool))
    if content['build'].get('batch_size') is not None or not content['build'].get('like_training'):
        _check_kinds(content['build'], 'build', dict(batch_size=int))  # a training's batch sampler may tell no size


def _check_classes(classes: Mapping | None) -> None:
    kinds = dict(declared=dict, found=dict, source=str, numbered=int)
    if classes is None:
        return
    if {key: type(value) for key, value in classes.items()} != kinds:
        raise ValueError(f'teacher.classes is {classes!r}')
    for name in ('declared', 'found'):
        if not all(type(label) is int for label in classes[name].values()):
            raise ValueError(f'teacher.classes.{name} is {classes[name]!r}')


def _check_kinds(content: Mapping, owner: str, kinds: Mapping[str, type]) -> None:
    for key, kind in kinds.items():
        value = content.get(key)
        if key in content and (type(value) is not kind or kind is int and not 0 < value < 2**40):
            raise ValueError(f'{owner}.{key} is {value!r}')


def _compared(here: Mapping, there: Mapping, owner: str) -> list[str | None]:
    """Differences of the facts that both have."""
    return [_hashed(here[key], there[key], WORDS[key]) if key in ('sample_list', 'weights') else
            first_difference(here[key], there[key], WORDS.get(key, f'{owner}.{key}'))
            for key in here if key in there]


def _hashed(here: str, there: str, name: str) -> str | None:
    return None if here == there else f'{name} is {str(here)[:12]} … in the cache and {str(there)[:12]} … in the recipe'


def current_versions() -> dict[str, str]:
    """Versions of mmkd and of the packages that make a view's pixels and a teacher's numbers."""
    found = dict(mmkd=__version__)
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
