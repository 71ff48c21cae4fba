"""One vector an image: what a classifier on frozen features reads of a model."""
from collections.abc import Callable

from torch import Tensor, nn

from mmkd.distillers.inputs import Labels
from mmkd.distillers.models import forward_mode, forward_of
from mmkd.distillers.taps import Taps, locate, named_locations, stage_names
from mmkd.utils import UserError


def default_tap(model: nn.Module) -> str:
    """Where a model's features are read if nobody says so.

    Args:
        model: The model.

    Returns:
        ``'pre_logits'``, what the classifier reads, where there is a classifier; else the last stage; else ``'output'``
        of a plain module.

    Raises:
        UserError: It has none of these.
    """
    names = named_locations(model)
    for name in ('pre_logits', *stage_names(names)[-1:], 'output'):
        if name in names:
            return name
    raise UserError(f'features expect a model with a classifier or stages, got a {type(model).__name__}. Name the '
                    "module whose output they are: tap='path.of.the.module'.")


class PooledFeatures:
    """Reads a tap of a model and pools it to one vector an image.

    Maps (N, C, H, W) are averaged over their places, tokens (N, L, C) over the tokens, vectors (N, C) taken as they
    are. So ``'pre_logits'`` of a ConvNet is the pooled last stage; of a vision transformer it is what its classifier
    reads, the class token mostly, and ``'stage4'`` is the mean of the other tokens.

    Args:
        model: The model.
        tap: The tap; None for :func:`default_tap`.

    Raises:
        UserError: There is no such tap.
    """

    def __init__(self, model: nn.Module, tap: str | None = None) -> None:
        self.model = model
        self.tap = tap or default_tap(model)
        self._taps: Taps | None = None
        locate(model, self.tap)

    def read(self, inputs: Tensor, samples: Labels = None,
             forward: Callable[..., object] | None = None) -> Tensor:
        """The features (N, C) of a batch, in fp32 on the CPU.

        Args:
            inputs: Normalised images.
            samples: Their annotations.
            forward: Runs the model on images, samples and a mode; None for the model itself.

        Raises:
            UserError: The tap has no such form.
        """
        if self._taps is None:
            self._taps = Taps(self.model, [self.tap])
        _, tensors = self._taps.read(forward or forward_of(self.model), inputs, samples,
                                     mode=forward_mode(self.model), stop_early=True)
        return self._pooled(tensors[self.tap], len(inputs)).float().cpu()

    def close(self) -> None:
        """Takes the recorder off the model, until the next batch."""
        if self._taps is not None:
            self._taps.close()
            self._taps = None

    def _pooled(self, value: Tensor | list[Tensor], images: int) -> Tensor:
        if isinstance(value, Tensor) and value.dim() in (2, 3, 4) and len(value) == images:
            places = {2: (), 3: (1, ), 4: (2, 3)}[value.dim()]
            return value.float().mean(places) if places else value
        found = f'shape {tuple(value.shape)}' if isinstance(value, Tensor) else f'{len(value)} tensors'
        raise UserError(f'features expect a map, tokens or a vector of each of {images} images at the tap {self.tap!r} '
                        f'of the {type(self.model).__name__}, got {found}. Name another tap.')
