"""Real pictures: to compare an exported model with, to calibrate int8, and to measure accuracy on."""
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config, ConfigDict
from mmengine.dataset import Compose
from mmengine.registry import DATASETS, TRANSFORMS
from PIL import Image
from torch import Tensor

from mmkd.datasets.configured import check_data_exists
from mmkd.datasets.junk import in_junk
from mmkd.datasets.pil_images import as_loaded
from mmkd.datasets.verification.images import ImageFile, check_image
from mmkd.utils import UserError
from mmkd.utils.sizes import resized

from .network import RGB, InputForm, is_classifier
from .sources import Source, transform_types, validation_data

SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.ppm', '.tif', '.tiff', '.webp')
MEND = 'run this where the data are, or set {key}.data_root in a config that you give by --config'
Size = tuple[int, int]


class Preparation:
    """From a file to a picture of pixels in 0…255, in RGB or grey, as a config's validation prepares it.

    Args:
        config: The config; one without a pipeline for files has pictures scaled and cut to the middle.
        channels: 3 or 1.
        size: Height and width of the result; None for what the pipeline gives, else 224.
    """

    def __init__(self, config: Config | None, channels: int, size: Size | None) -> None:
        self.channels, self.size = channels, size
        dataset = validation_data(config)
        names = list(transform_types(dataset))
        self.pipeline = None
        if names[:1] == ['LoadImageFromFile'] and names[-1] == 'PackInputs':
            with TRANSFORMS.switch_scope_and_registry(config.get('default_scope', 'mmpretrain')):
                self.pipeline = Compose(dataset['pipeline'])

    def __call__(self, path: Path) -> Tensor:
        """Reads a picture: (C, H, W), float32.

        Raises:
            UserError: It is damaged.
        """
        problem = check_image(ImageFile(str(path)), decode=True)
        if problem is not None:
            raise UserError(f'{path} {problem.text}')
        if self.pipeline is None:
            return self._plain(path)
        return fitted(_pixels(self.pipeline(dict(img_path=str(path)))['inputs'], self.channels, loaded_rgb=False),
                      self.size)

    def _plain(self, path: Path) -> Tensor:
        height, width = self.size or (224, 224)
        with Image.open(path) as opened:
            image = as_loaded(opened, 'RGB' if self.channels == 3 else 'L')
        scale = max(height / image.height, width / image.width)
        across, down = (max(round(side * scale), least) for side, least in (
            (image.width, width), (image.height, height)))
        left, top = (across - width) // 2, (down - height) // 2
        image = image.resize((across, down), Image.Resampling.BICUBIC).crop((left, top, left + width, top + height))
        return torch.from_numpy(np.array(image, dtype=np.float32)).reshape(height, width, -1).permute(2, 0, 1)


def _pixels(inputs: Tensor, channels: int, loaded_rgb: bool) -> Tensor:
    """Brings what a pipeline packed to RGB or grey.

    Raises:
        UserError: The pipeline has normalised it already.
    """
    if inputs.dtype != torch.uint8:
        raise UserError(f"an export expects a pipeline that leaves images as uint8, got {inputs.dtype}: it normalises "
                        'them by itself. Give --images DIR and a config without that transform.')
    if channels == 3 and not loaded_rgb:
        inputs = inputs.flip(0)
    return inputs.float()


def fitted(picture: Tensor, size: Size | None) -> Tensor:
    """Resizes one picture (C, H, W) where it has another size."""
    return picture if size is None else resized(picture[None], size, antialias=True)[0].clamp(0, 255)


def picture_files(folder: str, flag: str) -> list[Path]:
    """All pictures below a folder, sorted.

    Raises:
        UserError: It is no folder, or there are none.
    """
    root = Path(folder)
    if not root.is_dir():
        raise UserError(f'{flag} expects a folder of pictures, got {folder}, which is '
                        f'{"a file" if root.exists() else "not there"}. Check the path.')
    files = sorted(path for path in root.rglob('*') if path.suffix.lower() in SUFFIXES and path.is_file()
                   and not in_junk(path.relative_to(root).as_posix()))
    if not files:
        raise UserError(f'{flag} expects pictures ({", ".join(SUFFIXES)}), got {folder}, which has none. Name another '
                        'folder.')
    return files


def read_pictures(files: Sequence[Path], prepare: Callable[[Path], Tensor], most: int,
                  report: Callable[[str], None]) -> Tensor:
    """Reads pictures from all over a list, and leaves damaged ones out.

    Args:
        files: The files.
        prepare: Reads one.
        most: How many to read at the most.
        report: Is told of each that is damaged, and how many these are.

    Returns:
        (N, C, H, W).

    Raises:
        UserError: None can be read.
    """
    order = [files[i] for i in np.random.default_rng(0).permutation(len(files))]
    pictures: list[Tensor] = []
    damaged = 0
    for path in order:
        if len(pictures) == most:
            break
        try:
            picture = prepare(path)
        except UserError as error:
            if 'normalises' in str(error):
                raise
            damaged += 1
            report(f'skipped: {error}')
            continue
        pictures.append(fitted(picture, tuple(pictures[0].shape[1:]) if pictures else None))
    if damaged:
        report(f'{damaged} of {damaged + len(pictures)} pictures are damaged and were skipped.')
    if not pictures:
        raise UserError(f'an export expects pictures, and none of the {len(files)} in {files[0].parent} and beside it '
                        'can be read. Name another folder.')
    return torch.stack(pictures)


class ValidationSet:
    """The pictures and labels of a config's validation set.

    Args:
        config: The config.
        channels: 3 or 1.

    Raises:
        UserError: The config has none, or it is not there.
    """

    def __init__(self, config: Config | None, channels: int) -> None:
        cfg = validation_data(config)
        if cfg is None or config is None:
            raise UserError('the config has no validation set')
        check_data_exists(config, ('val', ) if config.get('val_dataloader') else ('test', ), MEND)
        scope = config.get('default_scope', 'mmpretrain')
        self.dataset = DATASETS.build(ConfigDict({'_scope_': scope, **cfg}))
        self.channels = channels
        self.loaded_rgb = not any('Load' in name for name in transform_types(cfg))

    def __len__(self) -> int:
        return len(self.dataset)

    def files(self) -> list[Path]:
        """The files of the pictures; none of a set that has them in memory."""
        paths: list[Path] = []
        with suppress(KeyError, TypeError):
            paths = [Path(self.dataset.get_data_info(index)['img_path']) for index in range(len(self))]
        return paths

    def picture(self, index: int) -> tuple[Tensor, int | None]:
        """A picture (C, H, W) and its class; None where it has no single one."""
        item = self.dataset[index]
        label = getattr(item['data_samples'], 'gt_label', None)
        picture = _pixels(item['inputs'], self.channels, self.loaded_rgb)
        return picture, int(label) if isinstance(label, Tensor) and label.numel() == 1 else None

    def some(self, most: int, size: Size | None) -> Tensor:
        """Pictures from all over the set: (N, C, H, W), of the first one's size if no size is given."""
        indices = torch.linspace(0, len(self) - 1, min(most, len(self))).long().unique().tolist()
        first = fitted(self.picture(indices[0])[0], size)
        rest = [fitted(self.picture(index)[0], tuple(first.shape[1:])) for index in indices[1:]]
        return torch.stack([first, *rest])

    def batches(self, size: Size, most: int | None = None, batch: int = 32) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches of pictures and labels, in order, or evenly spread over the set if there are more than wanted."""
        count = len(self) if most is None else min(most, len(self))
        indices = torch.linspace(0, len(self) - 1, count).long().tolist()
        for start in range(0, count, batch):
            items = [self.picture(index) for index in indices[start:start + batch]]
            labels = [label for _, label in items]
            if None in labels:
                raise UserError('its pictures have no single class each')
            yield torch.stack([fitted(picture, size) for picture, _ in items]), torch.tensor(labels)


def sample_pictures(channels: int, size: Size, count: int = 8) -> Tensor:
    """Crops of scikit-learn's two photographs."""
    from sklearn.datasets import load_sample_images
    generator = torch.Generator().manual_seed(0)
    crops = []
    for number in range(count):
        photograph = torch.from_numpy(load_sample_images().images[number % 2].copy()).permute(2, 0, 1).float()
        side = int(torch.randint(150, photograph.shape[1] + 1, (), generator=generator))
        top, left = (int(torch.randint(full - side + 1, (), generator=generator)) for full in photograph.shape[1:])
        crops.append(fitted(photograph[:, top:top + side, left:left + side], size))
    pictures = torch.stack(crops)
    return pictures if channels == 3 else pictures.mean(1, keepdim=True)


def as_network_takes(pictures: Tensor, form: InputForm, inside: bool) -> Tensor:
    """Pictures in 0…255, RGB or grey, as the exported model's caller has to hand them over."""
    if inside:
        return pictures
    if form.channels == 3 and form.order != RGB:
        pictures = pictures.flip(1)
    mean, std = (torch.tensor(values).reshape(1, -1, 1, 1) for values in (form.mean, form.std))
    return (pictures - mean) / std


def pictures_for(source: Source, folder: str | None, size: Size | None, most: int = 16) -> tuple[Tensor, str]:
    """Pictures to compare an exported model on.

    Args:
        source: The model.
        folder: Where the user has some; None for those of the config's validation set, or of scikit-learn.
        size: Height and width; None for what the config says.
        most: How many at the most.

    Returns:
        (N, C, H, W), pixels in 0…255, RGB or grey, and what they are, in words.

    Raises:
        UserError: The folder has none that can be read.
    """
    channels, size = source.form.channels, size or source.size
    if folder is not None:
        prepare = Preparation(source.config, channels, size)
        pictures = read_pictures(picture_files(folder, '--images'), prepare, most, print)
        return pictures, f'{len(pictures)} pictures of {folder}'
    try:
        validation = ValidationSet(source.config, channels)
        whole = source.config is not None and not is_classifier(source.model)
        pictures = validation.some(most, size or ((224, 224) if whole else None))
        return pictures, f'{len(pictures)} pictures of the validation set'
    except UserError:  # it is not here, as on a machine that only has the student
        return sample_pictures(channels, size or (224, 224)), 'crops of two photographs'
