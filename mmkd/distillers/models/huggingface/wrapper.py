"""A vision model of Hugging Face's as an OpenMMLab classifier."""
import inspect
from typing import Any

from mmengine.model import BaseModel, initialize
from torch import Tensor, nn

from mmkd.registry import MODELS
from mmkd.utils import UserError

from ...inputs.labels import Labels
from ...taps.huggingface import prefix_tokens
from ..plain import answer
from .files import normalisation_of
from .loading import build

# Kinds with learned positions; each of their forward passes either interpolates them or takes one size only.
POSITIONS = ('vit', 'deit', 'beit', 'vit_msn', 'clip', 'clip_vision_model', 'siglip', 'siglip_vision_model')
PREFIX = 'model.'


def _remove_state_dict_prefix(module: nn.Module, state: dict[str, Tensor], prefix: str, metadata: dict) -> None:
    for name in [name for name in state if name.startswith(f'{prefix}{PREFIX}')]:
        state[prefix + name.removeprefix(f'{prefix}{PREFIX}')] = state.pop(name)


def _add_state_dict_prefix(state: dict[str, Tensor], prefix: str, *rest: Any) -> None:
    own = [name for name in state if name.startswith(prefix) and not name.startswith(f'{prefix}data_preprocessor.')]
    for name in own:
        state[f'{prefix}{PREFIX}{name.removeprefix(prefix)}'] = state.pop(name)


@MODELS.register_module()
class HuggingFaceModel(BaseModel):
    """Runs a vision model of ``transformers`` on images; ``dict(hf=…)`` in a recipe.

    Its taps are ``stage1`` to ``stage4``, ``patches`` (the last map, normalised, without class and register tokens),
    ``pre_logits`` (what the classifier takes; without one, what is pooled), ``logits`` with a classifier, and modules.

    Only weights in the format of safetensors are read, and no code of a repository runs.

    Args:
        model_name: Name on the hub, or a folder that ``save_pretrained`` has written.
        pretrained: Whether to load its weights.
        num_classes: Classes of a new classifier; None takes the model as it is.
        revision: Branch, tag or commit on the hub.
        data_preprocessor: None takes mean and standard deviation from the model's preprocessor_config.json.
        init_cfg: As in MMEngine.

    Raises:
        UserError: The model cannot be had, is of no known kind, or its weights are not all there.
    """

    def __init__(self, model_name: str, pretrained: bool = True, num_classes: int | None = None,
                 revision: str | None = None, data_preprocessor: dict | None = None,
                 init_cfg: dict | list[dict] | None = None) -> None:
        if data_preprocessor is None:
            data_preprocessor = dict(normalisation_of(model_name, revision) or {}, to_rgb=True)
        super().__init__(dict(dict(type='mmpretrain.ClsDataPreprocessor'), **data_preprocessor), init_cfg)
        self.model = build(model_name, revision, pretrained, num_classes)
        self.pooled = nn.Identity()  # where a tap reads what is pooled
        parameters = inspect.signature(self.model.forward).parameters
        self._options = {'interpolate_pos_encoding': True} if 'interpolate_pos_encoding' in parameters else {}
        # As mmpretrain's wrappers of timm have them: files of the model alone have transformers' own names.
        self._register_state_dict_hook(_remove_state_dict_prefix)
        self._register_load_state_dict_pre_hook(_add_state_dict_prefix)

    @property
    def fixed_input_size(self) -> tuple[int, int] | None:
        """Height and width of the only images that the model takes; None if it takes others."""
        config = self.model.config
        if self._options or config.model_type not in POSITIONS:
            return None
        size = getattr(config, 'vision_config', config).image_size
        return (size, size) if isinstance(size, int) else tuple(size)

    def forward(self, inputs: Tensor, data_samples: Labels = None, mode: str = 'tensor') -> Any:
        """Forwards a batch, as every OpenMMLab model does.

        Args:
            inputs: Normalised images (N, 3, H, W).
            data_samples: Their labels.
            mode: ``'loss'``, ``'predict'`` or ``'tensor'``.

        Returns:
            The cross-entropy of the logits, samples with predictions, or logits (N, C); without a classifier
            what is pooled (N, C), in mode ``'tensor'`` alone.

        Raises:
            UserError: There is no classifier to take a loss or predictions from.
        """
        outputs = self.model(inputs, return_dict=True, **self._options)
        if 'logits' in outputs:
            return answer(self, outputs['logits'], data_samples, mode)
        pooled = self.pooled(self._pool(outputs))
        if mode == 'tensor':
            return pooled
        raise UserError(f'the own loss and the predictions of a {type(self.model).__name__} expect a classifier, which '
                        'it has not. Set task_weight=0. to train by the terms alone, or give num_classes.')

    def _pool(self, outputs: Any) -> Tensor:
        pooled = outputs.get('pooler_output')
        if pooled is not None:
            return pooled.flatten(1)
        last = outputs['last_hidden_state']  # (N, C, H, W), or (N, tokens, C)
        if last.dim() == 4:
            return last.mean((2, 3))
        return last[:, 0] if prefix_tokens(self.model) else last.mean(1)

    def init_weights(self) -> None:
        """Applies ``init_cfg``, if there is one; what was built has its weights already."""
        if self.init_cfg:
            initialize(self, self.init_cfg)
