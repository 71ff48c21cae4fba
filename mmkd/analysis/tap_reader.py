"""Reading taps of any model for a batch of images, with gradients or without."""
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from torch import Tensor, nn

from mmkd.distillers.models import fake_samples, forward_mode, forward_of
from mmkd.distillers.taps import Taps, named_locations
from mmkd.utils import UserError


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
            if 'memory' in str(error):
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
    names = [name for name in named_locations(model) if name.startswith('stage')]
    if not names:
        raise UserError(f'a {type(model).__name__} expects stages that are known, has none. Name its taps by --taps, '
                        'such as backbone.layer4; mmkd taps MODEL --modules "*" lists them.')
    return names


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
