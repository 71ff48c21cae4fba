"""A model that returns its feature maps."""
from mmengine.model import BaseModel
from torch import Tensor, nn

from mmkd.distillers.taps import Taps, named_locations, stage_names
from mmkd.utils import UserError


class FeatureExtractor(nn.Module):
    """Returns what the taps ``stage1``, ``stage2`` … of a classifier read.

    Args:
        model: The classifier.

    Shapes: images (N, 3, H, W), normalised as the model wants them. Returns a tuple, one tensor a stage: maps
    (N, C, H/s, W/s); the tokens of transformers are laid out, without class tokens.

    Raises:
        UserError: The model has no stages.
    """

    def __init__(self, model: BaseModel) -> None:
        super().__init__()
        self.names = stage_names(named_locations(model))
        if not self.names:
            raise UserError(f'features_only expects a model with stages, got a {type(model).__name__} without any. '
                            'Read a module of it with mmkd.distillers.taps.Taps.')
        self.model = model
        self.taps = Taps(model, self.names)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Runs the model."""
        _, tensors = self.taps.read(self.model, x, mode='tensor')
        return tuple(tensors[name] for name in self.names)
