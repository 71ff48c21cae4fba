"""``init_cfg=dict(type='Pretrained', …, prefix='backbone.')``: all of a backbone's weights, or an error."""
import re

from mmengine.logging import print_log
from mmengine.model import PretrainedInit
from mmengine.model.weight_init import update_init_info
from mmengine.runner.checkpoint import load_state_dict
from torch import Tensor, nn

from mmkd.utils import UserError
from mmkd.utils.checkpoints.reading import few_names, load_strictly, unusable
from mmkd.utils.checkpoints.weights import split_choice

from .loading import fit_weights, load_any, load_weights, read_weights
from .timm_names import PREFIX, in_wrapper
from .urls import CHECKPOINT_SCHEMES

# Norms of the maps that a detector or segmentor reads: a classifier has the last one only.
OUTPUT_NORM = re.compile(r'norm\d?\.(weight|bias)')


class PretrainedBackboneInit(PretrainedInit):
    """MMEngine's initialiser, which takes what fits of a file and only warns about the rest, made strict.

    The file may be whatever a recipe calls a checkpoint (:func:`mmkd.zoo.find_checkpoint`) in any
    published format. With a prefix, its tensors below the prefix have to be those of the module: all of them. Only
    norms of the returned maps may be on one side alone. Without one, what fits is taken, under the names of a student
    or of a distiller, as ``load_from`` does; nothing at all is an error. A ``TIMMBackbone`` takes all of its tensors
    from the file of a timm model, whatever the prefix. For the schemes that only MMEngine knows
    (``torchvision://``), it does what MMEngine's does.

    Raises:
        UserError: The file cannot be read, or has other tensors below the prefix than the module, or none that fits.
    """

    def __call__(self, module: nn.Module) -> None:
        """Initialises a module; logs ``n of m tensors``."""
        scheme, separator, _ = str(self.checkpoint).partition('://')
        if separator and scheme not in CHECKPOINT_SCHEMES:
            super().__call__(module)
            return
        if hasattr(module, 'timm_model'):
            weights = read_weights(self.checkpoint)
            if not any(PREFIX in name for name in weights):  # it is no wrapper's file, but the timm model's own
                self._take_all_of_timm(module, weights)
                return
        if self.prefix is None:
            self._take_what_fits(module)
            return
        prefix = f'{self.prefix.rstrip(".")}.'
        own = module.state_dict()
        weights = load_weights(self.checkpoint, [f'{prefix}{name}' for name in own])
        inner = {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
        report = load_backbone(module, inner, f'{prefix[:-1]} {type(module).__name__} from {self.checkpoint}')
        print_log(f'{report}.', logger='current')
        self._note(module)

    def _take_all_of_timm(self, module: nn.Module, weights: dict[str, Tensor]) -> None:
        what = f'{type(module).__name__} from {self.checkpoint}'
        report = load_strictly(module, in_wrapper(weights, module.state_dict()), what)
        print_log(f'{report}.', logger='current')
        self._note(module)

    def _take_what_fits(self, module: nn.Module) -> None:
        name, which = split_choice(self.checkpoint)
        checkpoint = load_any(name)
        what = f'{type(module).__name__} from {self.checkpoint}'
        weights, matched, problem = fit_weights(checkpoint, module.state_dict(), what, which)
        load_state_dict(module, weights, strict=False, logger='current')
        print_log(f'{what}: {matched}' + (f'; {problem}.' if problem else '.'), logger='current')
        self._note(module)

    def _note(self, module: nn.Module) -> None:
        if hasattr(module, '_params_init_info'):
            update_init_info(module, init_info=self._get_init_info())


def load_backbone(module: nn.Module, weights: dict[str, Tensor], what: str) -> str:
    """Loads a classifier's backbone into that of a detector or segmentor.

    Args:
        module: The backbone.
        weights: The classifier's, by the backbone's names.
        what: The backbone and the file, for the messages.

    Returns:
        The report, ``'<what>: n of m tensors matched'``, where m are those that either of the two has.

    Raises:
        UserError: Tensors are missing, unexpected or of another shape, but for norms of the returned maps.
    """
    own = module.state_dict()
    optional = {name for name in own.keys() ^ weights.keys() if OUTPUT_NORM.fullmatch(name)}
    weights = {name: value for name, value in weights.items() if name not in optional}
    expected = own.keys() - optional
    problems = [f'{kind} {few_names(sorted(names))}' for kind, names in (
        ('missing', expected - weights.keys()), ('unexpected', weights.keys() - expected)) if names]
    broken = '; '.join(f'{kind} {few_names(names)}' for kind, names in unusable(own, weights).items())
    if broken:
        raise UserError(f'{what}: weights {broken}. Take a checkpoint from before its run diverged, or of full '
                        'precision.')
    others = _other_shapes(module, weights)
    if others:
        problems.append(f'of another shape {few_names(others)}')
    matched = len(expected & weights.keys()) - len(others)
    report = f'{what}: {matched} of {len(expected | weights.keys())} tensors matched'
    if problems:
        raise UserError(f'{report}; {"; ".join(problems)}. This is a checkpoint of another backbone: check the file, '
                        'the settings of the backbone and the prefix of init_cfg.')
    return report


def _other_shapes(module: nn.Module, weights: dict[str, Tensor]) -> list[str]:
    """Loads the weights; returns the names that do not fit, once the modules have resized what they can."""
    try:
        module.load_state_dict(weights, strict=False)
    except RuntimeError as error:
        return re.findall(r'size mismatch for ([\w.]+):', str(error)) or [str(error).splitlines()[0]]
    return []
