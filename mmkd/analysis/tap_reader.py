"""Reading taps of any model for a batch of images, with gradients or without."""
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from functools import partial

from torch import Tensor, nn

from mmkd.distillers.models import fake_samples, forward_mode, forward_of
from mmkd.distillers.taps import Taps, named_locations, stage_names
from mmkd.utils import UserError
from mmkd.utils.errors import lacks_memory

_LISTS = (nn.Sequential, nn.ModuleList)


class TapReader:
    """Runs a classifier, detector, segmentor or plain module on images, and returns what its taps read.

    Where all taps are inside the backbone, it alone runs: a detector's heads need more than images, and proposals.

    Args:
        model: The model, in the mode in which it is to run; it keeps the taps' hooks.
        names: The taps, see :class:`~mmkd.distillers.taps.Taps`.

    Raises:
        UserError: A tap does not exist.
    """

    def __init__(self, model: nn.Module, names: Sequence[str]) -> None:
        self.model = model
        self.taps = Taps(model, names)
        inside = all(location.module.startswith('backbone.') for location in self.taps.locations.values())
        self._backbone = model.backbone if inside and isinstance(getattr(model, 'backbone', None), nn.Module) else None

    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        """Reads the taps.

        Args:
            images: (N, 3, H, W), normalised as the model wants them.

        Returns:
            Tap to tensor, in the order of the taps.

        Raises:
            UserError: The model cannot forward such images, does not reach a tap, or returns no tensor there.
        """
        try:
            _, tapped = self.taps.read(self._forward(images), images, stop_early=True)
        except UserError:
            raise
        except (RuntimeError, ValueError, AssertionError, TypeError) as error:
            if lacks_memory(error):
                raise
            raise UserError(f'the {type(self.model).__name__} cannot forward images of '
                            f'{images.shape[2]}×{images.shape[3]} ({" ".join(str(error).split())}). Give another '
                            '--size.') from error
        for name in self.taps.names:
            if not isinstance(tapped[name], Tensor):
                raise UserError(f'the tap {name!r} expects a tensor, reads a {type(tapped[name]).__name__}. Name a '
                                'module that returns one.')
        return {name: tapped[name] for name in self.taps.names}

    def _forward(self, images: Tensor) -> Callable[..., object]:
        if self._backbone is not None:
            return self._backbone
        samples = fake_samples(self.model, len(images), (images.shape[2], images.shape[3]))
        mode = forward_mode(self.model)
        return partial(forward_of(self.model), data_samples=samples, mode=mode)


def stage_taps(model: nn.Module) -> list[str]:
    """The taps ``stage1``, ``stage2`` … of a model.

    Raises:
        UserError: It has none.
    """
    names = stage_names(named_locations(model))
    if not names:
        raise UserError(f'a {type(model).__name__} expects stages that are known, has none. Name its taps by --taps, '
                        'such as backbone.layer4; mmkd taps MODEL --modules "*" lists them.')
    return names


def block_taps(model: nn.Module) -> list[str]:
    """The blocks of a model by their dotted paths, in their order, and ``pre_logits`` and ``logits`` of a classifier.

    Blocks are what a stage is made of: its children, or, of a network that keeps one resolution, its neighbours.

    Raises:
        UserError: Its stages are not known.
    """
    locations = named_locations(model)
    paths: list[str] = []
    for stage in stage_taps(model):
        path = locations[stage].module
        module = model.get_submodule(path)
        inner = module if isinstance(module, _LISTS) else getattr(module, 'blocks', None)
        parent = path.rpartition('.')[0]
        if isinstance(inner, _LISTS):
            prefix = path if inner is module else f'{path}.blocks'
            paths += [f'{prefix}.{name}' for name, _ in inner.named_children()]
        elif isinstance(model.get_submodule(parent), _LISTS):
            paths += [f'{parent}.{name}' for name, _ in model.get_submodule(parent).named_children()]
        else:
            paths.append(path)
    ends = [name for name in ('pre_logits', 'logits') if name in locations] if 'pre_logits' in locations else []
    return [*dict.fromkeys(paths), *ends]


def wide_taps(model: nn.Module) -> list[str]:
    """The last depthwise convolution of each stage, whose output is ConvNeSt's wide feature.

    Raises:
        UserError: A stage has none.
    """
    locations, found = named_locations(model), []
    for stage in stage_taps(model):
        path = locations[stage].module
        inside = [name for name, module in model.get_submodule(path).named_modules()
                  if isinstance(module, nn.Conv2d) and 1 < module.groups == module.out_channels]
        if not inside:
            raise UserError(f'groups of channels expect a depthwise convolution in {path}, it has none. Name the taps '
                            'by --taps.')
        found.append(f'{path}.{inside[-1]}'.rstrip('.'))
    return found


def matching_taps(model: nn.Module, patterns: Sequence[str]) -> list[str]:
    """The taps that a command line names: names and paths as they are, and all modules that match a shell pattern.

    Raises:
        UserError: Nothing matches a pattern.
    """
    found: list[str] = []
    for pattern in patterns:
        if not set('*?[') & set(pattern):
            found.append(pattern)
            continue
        matches = [path for path, _ in model.named_modules() if path and fnmatchcase(path, pattern)]
        if not matches:
            raise UserError(f'--taps expects names or patterns of modules, got {pattern!r}, which none matches. mmkd '
                            'taps MODEL --modules "*" lists them.')
        found += matches
    return list(dict.fromkeys(found))


def expect_map(name: str, value: Tensor) -> Tensor:
    """A tap's tensor, if it is a map (N, C, H, W).

    Raises:
        UserError: It is none.
    """
    if value.dim() != 4:
        raise UserError(f'the tap {name!r} expects a map (N, C, H, W), reads {tuple(value.shape)}. Tap a stage, or a '
                        'module that returns a map.')
    return value


@contextmanager
def without_parameter_gradients(model: nn.Module) -> Iterator[None]:
    """Asks for no gradient of the parameters, so that a pass keeps only what the images' gradient needs."""
    wanted = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter in wanted:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in wanted:
            parameter.requires_grad_(True)
